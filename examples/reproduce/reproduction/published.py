"""What the paper printed, and where it cannot be right.

Bagherzadeh et al. (2023), Table II, doi:10.1109/TGRS.2023.3334867.
"""

import pandas as pd

TABLE_2 = pd.DataFrame(
    {
        "core": ["snow", "firn", "ice"],
        "mass_error_labels": [2.2, -1.1, 0.5],
        "mass_error_network": [5.1, -0.1, -0.8],
        "f1_ice": [95.78, 97.72, 83.22],
        "accuracy": [98.36, 98.21, 97.01],
        "iou_ice": [91.92, 95.52, 81.56],
    }
)
"""In percent. The sign of the mass errors is not defined there; the text fits measured minus
computed, the opposite of ours."""

NOTES = {
    "snow": "The text calls the 5.1 % 'this error (5.5 %)'. Its sign, 'tighter borders' with a "
    "positive error, is that of measured minus computed mass.",
    "firn": "F1 and IoU agree: F1 = 2 IoU / (1 + IoU).",
    "ice": "F1 83.22 and IoU 81.56 cannot come from one table of counts (F1 83.22 goes with IoU "
    "71.26); both fit a mean over images of which about 15 % score exactly 0, as blank ones do.",
}
"""Beside the rows of Table II."""

GENERAL_NOTES = (
    "The abstract's F1 of 92.5 is the mean of Table II weighted by the number of images (92.58); "
    "its IoU of 91 is not: that mean is 90.03.",
    "Table II counts 500 + 600 + 500 = 1600 test images, the text 1597; 20 % of each specimen "
    "would be 524, 570 and 465.",
    "Accuracy is taken over the whole picture, in which about two thirds are black outside.",
    "The number of epochs was chosen on the test images; there is one seed and no error bar.",
    "In two of three specimens the mass from the network is further off than that from its "
    "labels (2.2 to 5.1 and 0.5 to 0.8 %).",
)
