"""
Figure 12: outlines on the mask
===============================

Snow: the labels that the network learned, filled, and the outlines of its prediction. With the
paper's labels, which send ties to air, borders are tighter.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_12.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_12

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_12(Results(folder)).savefig("figure_12.png", dpi=130)
