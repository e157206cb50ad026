"""
Generalisation: other ice, other noise
======================================

Networks that were trained on two kinds of core and tested on the third, and networks that meet less
or more noise than in their training, beside the mixture on the same coarse scans.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick") / "tables"
table = pd.read_csv(folder / "generalisation.csv")
print(table.round(2).to_string(index=False))
