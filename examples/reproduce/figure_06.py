"""
Figure 6: the mixture over the histogram
========================================

Histogram of one slice of snow, its two components and the probability of ice.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_06.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_06

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_06(Results(folder)).savefig("figure_06.png", dpi=130)
