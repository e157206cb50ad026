"""
Table II: scores of every specimen
==================================

The published values; the paper's recipe and ours on generated cores, against the exact truth and,
as in the paper, against the labels that the network learned. Pooled scores with confidence limits,
means over slices, and scores taken as the paper takes them.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

import sys
from pathlib import Path

import pandas as pd

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
table = pd.read_csv(Path(folder) / "tables" / "table_2.csv")
print(table.round(2).to_string(index=False))
