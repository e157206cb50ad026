"""
Figure 4: resized fine scan and coarse scan
===========================================

The coarse scan is not the fine scan, resized: it is reconstructed from projections that were
averaged before. It is smoother, and its noise is correlated. A network that is to read coarse
scans has to learn from them.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_04.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_04

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_04(Results(folder)).savefig("figure_04.png", dpi=130)
