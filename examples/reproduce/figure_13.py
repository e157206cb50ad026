"""
Figure 13: the network and its labels
=====================================

Firn: outlines of the labels (green) and of the network that learned them (red). Small false
bubbles of the labels are not repeated by the network.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_13.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_13

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_13(Results(folder)).savefig("figure_13.png", dpi=130)
