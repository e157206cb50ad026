"""
Figure 10: structure, predicted and true
========================================

2-D SSA and density of the test slices of every core, and F1 of ice against structure. The paper
does not define its 2-D SSA; here it is boundary length over ice area.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_10.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_10

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_10(Results(folder)).savefig("figure_10.png", dpi=130)
