"""The three values that a label stack may hold.

``OUTSIDE`` is a void label: voxels outside the specimen (casing, air gap, image
corners) take part in no fit, no loss, no score and no measurement.

Examples
--------
>>> import numpy as np
>>> from icecoreseg import AIR, ICE, OUTSIDE
>>> y = np.array([[[ICE, ICE, AIR, OUTSIDE]]], dtype=np.uint8)
>>> inside = y != OUTSIDE
>>> float((y[inside] == ICE).mean())  # two of the three voxels of the specimen
0.666...
"""

AIR = 0
"""Air: the pores of snow and firn, the bubbles of ice."""

ICE = 1
"""Ice: the positive class of every score, as in the paper."""

OUTSIDE = 255
"""Not part of the specimen: ignored everywhere."""
