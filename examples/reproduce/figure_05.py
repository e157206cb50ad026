"""
Figure 5: methods that learn nothing
====================================

Otsu's threshold and the Gaussian mixture on the coarse and on the fine scan of three cores. Otsu
halves the ice peak where air is rare.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_05.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_05

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_05(Results(folder)).savefig("figure_05.png", dpi=130)
