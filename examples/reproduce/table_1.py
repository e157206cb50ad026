"""
Table I: the specimens
======================

Published, with the density and porosity that follow from mass and outer measures, and the
generated cores that stand in for them.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

import sys
from pathlib import Path

import pandas as pd

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
table = pd.read_csv(Path(folder) / "tables" / "table_1.csv")
print(table.round(2).to_string(index=False))
