"""
Figure 11: outlines on the scan
===============================

Outlines of the prediction (red) over the truth (green), by the paper's recipe and by ours.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_11.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_11

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_11(Results(folder)).savefig("figure_11.png", dpi=130)
