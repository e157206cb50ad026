"""
Figures 8 and 9: loss and F1 per epoch
======================================

Of the paper's network and of ours, on the tenth of each core above the test slices. The paper
shows the test slices themselves, and chose the epoch by them.
Reads what ``nox -s reproduce -- --quick`` wrote.
"""

# sphinx_gallery_thumbnail_path = "_static/paper/figure_08_09.png"

import sys

from reproduction.cores import Results
from reproduction.figures import figure_08_09

folder = sys.argv[1] if len(sys.argv) > 1 else "results/reproduce-quick"
figure_08_09(Results(folder)).savefig("figure_08_09.png", dpi=130)
