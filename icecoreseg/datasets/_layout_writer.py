"""Generated cores in the layout of the published data set."""

import json
import os
from pathlib import Path

from icecoreseg._validation import check_stack
from icecoreseg.datasets._tgrs2023 import CARD, SPECIMENS, published_specimens
from icecoreseg.stacks._png import encode_png
from icecoreseg.stacks._write import replacing

_CORES = {"snow": "KohnenQK_D38_KF540", "firn": "TEDRIST_bag43", "ice": "ex5_1_bag102bot"}


def write_tgrs2023(cores, folder, *, first_number=0):
    """Write generated cores as the published data set is laid out.

    So that whatever reads the real data runs on generated data too. Each slice is a PNG file
    with a name of the archive's kind; a card ``specimens.json`` says mass, height, diameter
    and voxel sizes, which are not those of Table I.

    Parameters
    ----------
    cores : sequence of Bunch
        From `make_ice_core`, of different kinds.
    folder : str or path
        Made if needed. Slices that are there already are replaced, others are left alone.
    first_number : int
        Number of the first slice, at both resolutions.

    Raises
    ------
    ValueError
        If two cores are of one kind, or a stack is not of uint8 or uint16.

    Examples
    --------
    >>> import tempfile
    >>> from icecoreseg.datasets import make_ice_core
    >>> core = make_ice_core("ice", n_slices=1, n_columns=32, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tgrs2023([core], folder)
    ...     print(*sorted(path.name for path in Path(folder).rglob("*.png")), sep="\\n")
    Bin60_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0000.png
    Canvas64_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0000.png
    Canvas64_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0001.png
    """
    cores, folder = list(cores), Path(folder)
    kinds = [core.kind for core in cores]
    if len(set(kinds)) < len(kinds) or not set(kinds) <= set(SPECIMENS):
        raise ValueError(f"Expected one core each of some of {SPECIMENS}, got {kinds}.")
    for core in cores:
        place = folder / published_specimens()[core.kind].name
        for resolution in ("high", "low"):
            stack = check_stack(core[resolution], name=f"{core.kind} {resolution}", kinds="u")
            prefix = "Bin60" if resolution == "low" else f"Canvas{stack.shape[2]}"
            stem = f"{prefix}_FB_{_CORES[core.kind]}_30mue_hx_8f_block_0"
            _write_slices(stack, place / resolution, stem, first_number)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / CARD) as temporary:
        temporary.write_text(json.dumps({core.kind: _card(core) for core in cores}, indent=1))


def _write_slices(stack, folder, stem, first_number):
    os.makedirs(folder, exist_ok=True)
    for number, image in enumerate(stack, start=first_number):
        with replacing(folder / f"{stem}_{number:04d}.png") as temporary:
            temporary.write_bytes(encode_png(image))


def _card(core):
    """The row of Table I that a generated core would have."""
    n_slices, _, _ = core.low.shape
    area_mm2 = core.mask_low[0].sum() * (core.voxel_size_um * 1e-3) ** 2
    return {
        "name": f"generated_{core.kind}",
        "characteristic": f"generated {core.kind}",
        "n_slices": n_slices,
        "height_mm": n_slices * core.voxel_size_um * 1e-3,
        "diameter_mm": 2 * float(area_mm2 / 3.141592653589793) ** 0.5,
        "mass_g": core.mass_g,
        "density_kg_m3": core.density_kg_m3,
        "voxel_size_high_um": core.voxel_size_high_um,
        "voxel_size_um": core.voxel_size_um,
    }
