"""Labels without supervision, from grey levels alone."""

from icecoreseg.labeling.gmm import GMMLabeler

__all__ = ["GMMLabeler"]
