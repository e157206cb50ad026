"""
Better than the paper
=====================

All methods on cores that no network has seen: mean and standard deviation over the seeds.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

import sys
from pathlib import Path

import pandas as pd

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
tables = Path(folder) / "tables"
unseen = tables / "methods_unseen.csv"  # there is none for the published data set
table = pd.read_csv(unseen if unseen.is_file() else tables / "methods_test_part.csv")
print(table.round(2).to_string(index=False))
