"""Data sets: generated cores of known ice, and the published data set's layout."""

from icecoreseg.datasets._alignment import measure_shift
from icecoreseg.datasets._ice_core import make_ice_core
from icecoreseg.datasets._layout_writer import write_tgrs2023
from icecoreseg.datasets._scan_names import ScanName, parse_scan_name
from icecoreseg.datasets._tgrs2023 import load_tgrs2023, published_specimens

__all__ = [
    "ScanName",
    "load_tgrs2023",
    "make_ice_core",
    "measure_shift",
    "parse_scan_name",
    "published_specimens",
    "write_tgrs2023",
]
