"""A generated core that shows itself: a line in a terminal, a table in a notebook."""

import base64
from html import escape
from io import BytesIO

from PIL import Image
from sklearn.utils import Bunch


class IceCore(Bunch):
    """What `make_ice_core` returns: a Bunch with a short ``repr`` and a picture in notebooks.

    Examples
    --------
    >>> from icecoreseg.datasets import make_ice_core
    >>> make_ice_core("firn", n_slices=4, n_columns=48, random_state=0)
    <IceCore: firn, 4 slices of 48 x 48 (58.24 µm) and 8 of 96 x 96 (29.12 µm), ... kg m-3>
    """

    def __repr__(self):
        scans = " and ".join(
            f"{n} {'slices ' if name == 'low' else ''}of {rows} x {columns} ({size:.2f} µm)"
            for name, (n, rows, columns), size in self._scans()
        )
        return f"<IceCore: {self.kind}, {scans}, {self.density_kg_m3:.1f} kg m-3>"

    def _repr_html_(self):
        rows = [
            (f"<code>{name}</code>", f"{n} slices of {rows} x {columns}, {size:.2f} µm")
            for name, (n, rows, columns), size in self._scans()
        ]
        rows += [
            ("ice fraction", f"{self.ice_fraction:.4f}"),
            ("density", f"{self.density_kg_m3:.1f} kg m<sup>-3</sup>"),
            ("mass", f"{self.mass_g:.4g} g"),
            ("keys", ", ".join(f"<code>{escape(key)}</code>" for key in self)),
        ]
        body = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        picture = thumbnail(self.low[self.low.shape[0] // 2])
        return (
            f"<p><b>{escape(self.kind)}</b>, a generated ice core</p>"
            f"<div style='display:flex;gap:1em'>{picture}<table>{body}</table></div>"
        )

    def _scans(self):
        for name, size in (("low", self.voxel_size_um), ("high", self.voxel_size_high_um)):
            yield name, self[name].shape, size


def thumbnail(pixels, *, edge=160):
    """A uint8 slice as an ``img`` element with the picture in it, `edge` pixels wide at most."""
    image = Image.fromarray(pixels)
    image.thumbnail((edge, edge))
    file = BytesIO()
    image.save(file, format="PNG")
    code = base64.b64encode(file.getvalue()).decode()
    return f"<img alt='middle slice' src='data:image/png;base64,{code}'>"
