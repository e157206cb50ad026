"""Learn the grey levels of air and ice from some slices of a raw scan.

What lies beyond the scanner's field of view must not stand for air, nor the casing for ice.
Noise may hide that there are two levels; the means of neighbouring pixels show them.
"""

import warnings

import numpy as np
from scipy import ndimage

from icecoreseg._validation import check_grey_values
from icecoreseg.preprocessing._hollow import holds_only_air, values_in_casing
from icecoreseg.preprocessing._levels import grey_levels, levels_with_casing, two_levels

_FIT_VALUES = 2**15
"""Pixels that are looked at in each slice, about."""

_LEAST_BEYOND = 0.005
"""Share of a slice from which on a corner of one value lies beyond the field of view."""

_MOST_ALIKE = 0.15
"""Share of the other pixels that have that value, as noise is cut off; of more, it is air's."""

_MOST_BESIDE = 0.1
"""Share of ice, or casing, beside corners from which on these are the outside of a mask."""

_REACH = 3
"""Sampled pixels that lie beside a corner."""

_CLEAR = 3.3
"""Gap between two classes, in standard deviations within them, from which on noise is harmless.

In snow with a noise of a quarter of the contrast it is 2.6 to 3.5. Below 3.25 half of what is
above the threshold is noise of the air, and the level of ice comes out a quarter too low.
"""

_LEAST_OF_MEANS = 3.5
"""The least gap between classes of means, in which a trend shows: values spread evenly have 3.46.

Means of two phases have 3.5 and more, most of them 4, at a noise of a quarter of their distance.
"""

_DRAWN = 0.25
"""Share of pixels of one value from which on a picture has no noise: all air may have one value."""


def learn_levels(slices, outside):
    """Grey levels of air and ice; NaN, with a warning, where a scan does not show them.

    Parameters
    ----------
    slices : iterable of arrays of shape (n_rows, n_columns)
        Of a raw scan; gone through more than once.
    outside : float or int
        The outside value that is declared: if it is not NaN, slices must hold none.

    Returns
    -------
    tuple (air, ice) of float
        Both NaN where there is one level only, `ice` where a casing holds nothing but air.

    Raises
    ------
    ValueError
        If a slice holds infinite values, or NaN that is not declared.
    """
    values, means = _in_view([_samples(check_grey_values(s, outside)) for s in slices])
    with_casing = levels_with_casing(values)
    if with_casing is not None and holds_only_air(slices, with_casing):
        message = "X shows a casing with nothing but air in it; all of it is outside."
        levels = with_casing[0], np.nan
    else:
        message = "X shows one grey level only; nothing is told from the specimen."
        levels = _two_levels(values, means) or (np.nan, np.nan)
        if with_casing is not None:  # little ice, perhaps: the casing must not stand for it
            levels = two_levels(values_in_casing(slices, with_casing, _stride)) or levels
    if np.isnan(levels[1]):
        warnings.warn(message, UserWarning, stacklevel=3)
    return levels


def _in_view(samples):
    """(values, means) of the pixels in view; of every pixel, if corners are the outside of a mask.

    Around a field of view there is the air of the gap, around a mask the specimen.
    """
    values, means, beyond, beside = (np.concatenate(parts) for parts in zip(*samples, strict=True))
    rest = values[~beyond], means[~beyond]
    levels = _two_levels(*rest) if _is_scanned(rest[0], values[beyond]) else None
    if levels is None:
        return values, means
    bright = np.count_nonzero(means[beside] > np.mean(levels))
    is_mask = bright >= _MOST_BESIDE * np.count_nonzero(beside)
    return (values, means) if is_mask and _two_levels(values, means) else rest


def _two_levels(values, means):
    """Of the pixels, if noise does not carry many from one level to the other, else of means."""
    clear = grey_levels(values, least=_CLEAR)
    return clear or grey_levels(means, least=_LEAST_OF_MEANS) or grey_levels(values)


def _is_scanned(values, beyond):
    """Whether pixels have noise, and another level of air than what may lie beyond the view."""
    if not values.size or not beyond.size:
        return False
    alike = np.count_nonzero(values == _most_frequent(beyond)[0])
    _, drawn = _most_frequent(values)
    return drawn < _DRAWN * values.size and alike < _MOST_ALIKE * values.size


def _most_frequent(values):
    """(value, how often it is there)."""
    grey, counts = np.unique(values, return_counts=True)
    top = counts.argmax()
    return grey[top], counts[top]


def _samples(pixels):
    """Pixels of a slice, means of 3 x 3 around them, which lie beyond the view, or beside."""
    rows, columns = (np.arange(0, edge, _stride(pixels.shape)) for edge in pixels.shape)
    around = [
        pixels[np.ix_(_within(rows + i, pixels.shape[0]), _within(columns + j, pixels.shape[1]))]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    means = sum(part.astype(np.float32) for part in around) / len(around)
    middle = around[len(around) // 2]
    beyond = _beyond_view(middle)
    beside = ndimage.binary_dilation(beyond, np.ones((3, 3)), _REACH) & ~beyond
    return middle.ravel(), means.ravel(), beyond.ravel(), beside.ravel()


def _stride(shape):
    """Rows and columns from one pixel that is looked at to the next."""
    return max(1, round((shape[0] * shape[1] / _FIT_VALUES) ** 0.5))


def _within(places, edge):
    return places.clip(0, edge - 1)


def _beyond_view(picture):
    """What a scanner's round field of view leaves of a picture: corners of one value each.

    Examples
    --------
    >>> picture = np.arange(1, 26).reshape(5, 5)
    >>> picture[0, :3] = picture[1, :2] = 0
    >>> _beyond_view(picture).astype(int)
    array([[1, 1, 1, 1, 0],
           [1, 1, 1, 1, 0],
           [1, 1, 1, 0, 0],
           [0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0]])
    """
    beyond = np.zeros(picture.shape, dtype=bool)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        regions, _ = ndimage.label(picture == picture[corner])
        region = (regions == regions[corner]) & (regions > 0)
        if np.count_nonzero(region) >= max(2, _LEAST_BEYOND * picture.size):
            beyond |= region
    return ndimage.binary_dilation(beyond, np.ones((3, 3)))  # what is blurred into its edge, too
