"""Bring every slice of a scan to the same brightness."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackTransformer
from icecoreseg._ice import BLOCK_VOXELS
from icecoreseg._slabs import map_slabs
from icecoreseg._validation import (
    check_choice,
    check_grey_values,
    check_outside,
    check_stack,
    inside_mask,
    is_lazy,
)
from icecoreseg.preprocessing._cut import next_level
from icecoreseg.preprocessing._drift import HALO, along_z, complete
from icecoreseg.preprocessing._phase_levels import (
    choose_bins,
    levels_alone,
    median_of,
    phase_levels,
)

_FIT_SLICES = 32
_FIT_VALUES = 2**14  # of each slice
_TOLERANCE = 0.01  # of the contrast
_DTYPES = ("uint8", "uint16", "float32", "float64")


def normalize_brightness(X, *, outside=np.nan, dtype=None):
    """Give air and ice the same grey levels in all slices.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack of a specimen; casing and surroundings marked as outside.
    outside : float or int
        The value that marks what is outside.
    dtype : str or dtype, optional
        Of the result; default: that of X.

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns)
        numpy in -> numpy out; dask in -> dask out.

    See Also
    --------
    BrightnessNormalizer : The same as a step of a pipeline, and how it works.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(20, 5, (5, 40, 40))
    >>> X[:, :20] += 90
    >>> X *= np.array([0.8, 0.9, 1.0, 1.1, 1.2])[:, np.newaxis, np.newaxis]
    >>> X[:, :20].mean(axis=(1, 2)).round()
    array([ 88.,  99., 110., 121., 132.])
    >>> normalize_brightness(X)[:, :20].mean(axis=(1, 2)).round()
    array([110., 110., 110., 110., 110.])
    """
    return BrightnessNormalizer(outside=outside, dtype=dtype).fit(X).transform(X)


class BrightnessNormalizer(StackTransformer):
    """Brightness of all slices made equal, from what air and ice look like in each.

    Brightness drifts along a core, steadily with the tube, or in steps where a helical
    scan was put together. In every slice the levels of air and of ice are found, as
    medians of the voxels on either side of the middle between them. A level that departs
    from those of its nine neighbours is replaced by their median. A straight line
    through both levels brings the slice to the levels of the stack that was fitted. No
    minimum or maximum is used: an artefact changes neither its own slice nor others.

    Air is expected to follow ice by a common factor (a common shift, if air is
    negative). Its own level counts as much as the number of air voxels in the slice
    allows: fully in large slices and in snow, hardly in a small slice of bubbly ice.
    Where ice cannot be told from noise, it follows air by a common shift.

    Parameters
    ----------
    outside : float or int
        The value that marks what is outside. It is not looked at, and stays.
    dtype : str or dtype, optional
        Of the result: 'uint8', 'uint16', 'float32' or 'float64'. Integers are rounded,
        and kept from becoming the outside value. Default: the dtype of X.

    Attributes
    ----------
    air_, ice_ : float
        The levels to which all slices are brought: medians over up to 32 slices of the
        fitted stack. `air_` is NaN where it shows one level only: that is taken for ice.
        Both are NaN where all of it is outside: then ``transform`` changes nothing.

    Notes
    -----
    Levels are those of the voxels as they are, partial volumes included, so that slices
    of finer structure are brightened a little. The casing is neither air nor ice: run
    `CoreMasker` first.

    ``transform`` measures the stack that it is given. So blocks of a stack give what the
    whole gives, except for the four slices next to a cut. A dask array keeps its
    chunks, sees across their borders, and is read twice: once for its histograms.

    Examples
    --------
    >>> from icecoreseg.datasets import make_ice_core
    >>> core = make_ice_core("firn", n_slices=9, n_columns=64, random_state=0)
    >>> X = np.where(core.mask_low, core.low, np.nan)
    >>> drifting = X * np.linspace(0.8, 1.2, 9)[:, np.newaxis, np.newaxis]
    >>> even = BrightnessNormalizer().fit_transform(drifting)
    >>> ice = core.fraction_low == 1
    >>> np.ptp([z[i].mean() for z, i in zip(drifting, ice, strict=True)]).round(-1)
    np.float64(50.0)
    >>> bool(np.ptp([z[i].mean() for z, i in zip(even, ice, strict=True)]) < 2)
    True
    """

    def __init__(self, *, outside=np.nan, dtype=None):
        self.outside = outside
        self.dtype = dtype

    def fit(self, X, y=None):
        """Learn the levels of air and ice, from up to 32 slices.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
        y : None
            Ignored.

        Returns
        -------
        BrightnessNormalizer
        """
        X = check_stack(X)
        self._check_parameters(X)
        numbers = np.unique(np.linspace(0, X.shape[0] - 1, _FIT_SLICES).round().astype(np.intp))
        slices = [self._values(np.asarray(X[number])) for number in numbers.tolist()]
        slices = [values for values in slices if values.size]
        self.air_ = self.ice_ = np.nan
        if not slices:
            return self
        thin = [values[:: max(1, values.size // _FIT_VALUES)] for values in slices]
        self._bins = choose_bins(X.dtype, np.concatenate(thin))
        levels = np.stack([levels_alone(self._bins.count(values), self._bins) for values in slices])
        both = levels[np.isfinite(levels).all(axis=1)]
        self.air_ = float(np.median(both[:, 0])) if len(both) else np.nan
        self.ice_ = float(np.median((both if len(both) else levels)[:, 1]))
        return self

    def transform(self, X):
        """Bring every slice to the levels that were learned.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            A scan of the same scanner as the one fitted.

        Returns
        -------
        array of shape (n_slices, n_rows, n_columns)
        """
        X = self._check_again(X)
        dtype = self._dtype(X)
        levels = self._levels(X)
        if is_lazy(X):
            levels = levels.rechunk({0: X.chunks[0]})
        return map_slabs(
            lambda slab, levels: self._apply(slab, levels[:, 0], dtype), X, levels, dtype=dtype
        )

    def report(self, X):
        """Levels of air and ice in each slice of a stack, as ``transform`` takes them.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)

        Returns
        -------
        dict of arrays of shape (n_slices,)
            ``slice``, ``air`` and ``ice`` (grey levels). A table for
            ``pandas.DataFrame``.
        """
        X = self._check_again(X)
        levels = np.asarray(self._levels(X))[:, 0] + 0 * np.array([self.air_, self.ice_])
        return {"slice": np.arange(X.shape[0]), "air": levels[:, 0], "ice": levels[:, 1]}

    def _check_parameters(self, X):
        check_outside(self.outside, self._dtype(X))
        check_outside(self.outside, X.dtype)

    def _dtype(self, X):
        """Of the result."""
        if self.dtype is None:
            return X.dtype
        try:
            name = np.dtype(self.dtype).name
        except TypeError:
            name = self.dtype
        return np.dtype(check_choice(name, _DTYPES, name="dtype"))

    def _values(self, pixels):
        """Voxels of the specimen in one slice, 1-D."""
        check_grey_values(pixels, self.outside)
        return pixels[inside_mask(pixels, self.outside)]

    def _check_again(self, X):
        """Checks of all methods but ``fit``."""
        check_is_fitted(self)
        X = check_stack(X)
        self._check_parameters(X)
        return X

    @property
    def _reference(self):
        """Levels of air and ice; a scan of one level only is scaled (shifted, if negative)."""
        if np.isnan(self.ice_):
            return 0.0, 1.0
        return min(0.0, self.ice_ - 1) if np.isnan(self.air_) else self.air_, self.ice_

    def _levels(self, X):
        """Levels of air and ice in each slice, steady along z: (n_slices, 1, 2)."""
        found = map_slabs(self._measure, X, dtype=np.float64, tail=(1, 3))
        return map_slabs(self._steady, found, dtype=np.float64, tail=(1, 2), halo=HALO)

    def _measure(self, slab):
        """Levels of each slice for itself, and how far that of air is trusted."""
        if np.isnan(self.ice_):
            return np.full((len(slab), 1, 3), np.nan)
        counts = np.stack([self._bins.count(self._values(pixels)) for pixels in slab])
        if np.isnan(self.air_):
            alone = median_of(counts, self._bins)
            found = np.stack([np.full_like(alone, np.nan), alone, np.zeros(alone.size)], axis=1)
        else:
            levels, trust = phase_levels(counts, self._bins, self._reference)
            found = np.column_stack([levels, trust])
        return found[:, np.newaxis]

    def _steady(self, found, inner):
        low, high = self._reference
        levels = along_z(found[:, 0, :2], _TOLERANCE * (high - low))
        return complete(levels, found[:, 0, 2], (low, high))[inner, np.newaxis]

    def _apply(self, slab, levels, dtype):
        """Straight lines through the levels, slice by slice."""
        low, high = self._reference
        result = np.empty(slab.shape, dtype=dtype)
        for pixels, (air, ice), target in zip(slab, levels.tolist(), result, strict=True):
            scale = (high - low) / (ice - air)
            _line(pixels, scale, low - scale * air, self.outside, target)
        return result


def _line(pixels, scale, offset, outside, target):
    """Write ``scale * pixels + offset`` into target; what is outside stays."""
    if pixels.dtype.kind == "u":  # a table of all values is quicker, and exact
        values = np.arange(np.iinfo(pixels.dtype).max + 1, dtype=pixels.dtype)
        table = np.empty(values.size, dtype=target.dtype)
        _line(values.astype(np.float64), scale, offset, outside, table)
        step = max(1, BLOCK_VOXELS // pixels.shape[1])
        for start in range(0, len(pixels), step):  # an index is eight times as large as a byte
            target[start : start + step] = table[pixels[start : start + step]]
        return
    result = scale * pixels + offset
    if target.dtype.kind == "u":
        result = np.rint(result).clip(0, np.iinfo(target.dtype).max)
    inside = inside_mask(pixels, outside)
    if target.dtype.kind == "u" and np.isnan(outside) and not inside.all():
        raise ValueError(
            f"X holds NaN, which dtype={target.dtype.name!r} cannot; use a float dtype."
        )
    result[inside & (result == outside)] = next_level(outside, target.dtype)
    result[~inside] = outside
    target[...] = result
