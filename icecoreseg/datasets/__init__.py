from icecoreseg.datasets._ice_core import make_ice_core

__all__ = ["make_ice_core"]
