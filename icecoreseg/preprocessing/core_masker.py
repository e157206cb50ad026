"""Find the specimen inside its casing, and mark everything else as outside."""

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackTransformer
from icecoreseg._slabs import map_slabs
from icecoreseg._validation import check_grey_values, check_outside, check_stack, is_lazy
from icecoreseg.preprocessing._cut import area_within, fill_outside, move_off
from icecoreseg.preprocessing._fan import N_ANGLES
from icecoreseg.preprocessing._learn import learn_levels
from icecoreseg.preprocessing._outline import look
from icecoreseg.preprocessing._reduce import occupancy, reduction_factor
from icecoreseg.preprocessing._steady import company, outline_slab, record_type

_FIT_SLICES = 16
_HELD_VOXELS = 2**25
_STRIP_ROWS = 64  # that stay in the processor's cache


def core_mask(X, *, margin=0.0):
    """Where the specimen is: inside the casing, its pores included.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack; NaN counts as outside.
    margin : float
        Pixels by which the outline is drawn inwards (outwards if negative).

    Returns
    -------
    bool array of shape (n_slices, n_rows, n_columns)
        numpy in -> numpy out; dask in -> dask out.

    See Also
    --------
    CoreMasker : The same as a step of a pipeline, and how it works.

    Examples
    --------
    >>> from icecoreseg.datasets import make_ice_core
    >>> core = make_ice_core("firn", n_slices=6, n_columns=96, random_state=0)
    >>> mask = core_mask(core.low)
    >>> bool((mask & core.mask_low).sum() > 0.98 * (mask | core.mask_low).sum())
    True
    """
    masker = CoreMasker(margin=margin).fit(X)
    return masker._apply(X, _masks, bool)


class CoreMasker(StackTransformer):
    """Mark everything but the specimen as outside: casing, air gap and surroundings.

    In every slice, at reduced size, a casing is sought: a thin circle around everything that is
    bright all round. Up to thirteen neighbouring slices (five of more than 8 million pixels),
    as far as they are alike, are then searched together, because each shows other grains at the
    rim and the same breaks; where the specimen leans, tapers or is broken aslant they are moved
    and stretched over each other. A slice that differs from neighbours on both sides which agree
    takes their outline. Fragments in the gap are left out.
    A ball larger than the pores is rolled around their ice [2]_: where it enters, the specimen
    is broken. Elsewhere the outline is the convex hull of the ice, rounded where it is nearly
    an ellipse. From there it moves a little, to hold most ice for least air [1]_. No casing
    need be there, nor a gap. Slices without ice are all outside, and so is a scan of an empty
    casing, with a warning. A scan of one grey level may be ice without a rim as well as air: it
    is left whole, with a warning.

    Parameters
    ----------
    outside : float or int
        What is written outside the specimen. NaN makes integer stacks float32; an
        integer keeps their dtype, and specimen voxels that have this very value
        move by one grey level.
    margin : float
        Pixels of the given scan by which the outline is drawn inwards.

    Attributes
    ----------
    air_, ice_ : float
        Grey levels of air and ice in the scan that was fitted. They tell ice from air in
        other scans of the same scanner. Both NaN where it shows one level only: then
        nothing is outside. `ice_` alone NaN where its casing is empty: then everything is.
    report_ : dict of arrays of shape (n,)
        What `report` says of up to 16 slices, evenly spread over the fitted stack.

    Notes
    -----
    ``transform`` looks for the outlines of the stack that it is given. So blocks of a
    stack give what the whole stack gives, except for the six slices next to a cut (two, if
    they are large). A dask array keeps its chunks, and sees across their borders.

    Whether a hollow at the rim is a pore or a break cannot be told where both are of one
    size. The line then spans it. What a single slice of sparse snow shows of its outline
    is limited by the number of grains at the rim: see the user guide for measured errors.

    References
    ----------
    .. [1] Chan and Vese (2001), Active contours without edges, IEEE Trans. Image
       Process. 10, doi 10.1109/83.902291 (here with a mean of 0 outside).
    .. [2] Edelsbrunner, Kirkpatrick and Seidel (1983), On the shape of a set of points in
       the plane, IEEE Trans. Inf. Theory 29, doi 10.1109/TIT.1983.1056714.

    Examples
    --------
    >>> from icecoreseg.datasets import make_ice_core
    >>> core = make_ice_core("ice", n_slices=6, n_columns=96, random_state=0)
    >>> masker = CoreMasker().fit(core.low)
    >>> X = masker.transform(core.low)
    >>> outside = ~core.mask_low
    >>> bool((np.isnan(X) == outside).mean() > 0.99), X.dtype
    (True, dtype('float32'))
    >>> (masker.report_["radius"] / np.sqrt(core.mask_low[0].sum() / np.pi)).round(2)
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, *, outside=np.nan, margin=0.0):
        self.outside = outside
        self.margin = margin

    def fit(self, X, y=None):
        """Learn the grey levels of air and ice.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Raw scan. Up to 16 slices of it are looked at.
        y : None
            Ignored.

        Returns
        -------
        CoreMasker
        """
        X = check_stack(X)
        self._check_parameters(X)
        numbers = np.unique(np.linspace(0, X.shape[0] - 1, _FIT_SLICES).round().astype(np.intp))
        slices = _Some(X, numbers)
        self.air_, self.ice_ = learn_levels(slices, self.outside)
        outlines = [self._outlines(pixels[np.newaxis], quiet=True)[0, 0] for pixels in slices]
        self.report_ = _table(numbers, np.stack(outlines), X.shape[1:])
        return self

    def transform(self, X):
        """Write the outside value around the specimen.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            A scan of the same scanner as the one fitted.

        Returns
        -------
        array of shape (n_slices, n_rows, n_columns)
            float32 for integer X and ``outside=np.nan``, else the dtype of X. dask in ->
            dask out.

        Warns
        -----
        UserWarning
            Naming the slices whose outline differs abruptly from its neighbours'.
        """
        check_is_fitted(self)
        X = check_stack(X)
        self._check_parameters(X)
        keeps = X.dtype.kind == "f" or not np.isnan(self.outside)
        dtype = X.dtype if keeps else np.dtype(np.float32)
        return self._apply(X, _cut, dtype)

    def report(self, X):
        """What is found in each slice of a stack.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)

        Returns
        -------
        dict of arrays of shape (n_slices,)
            ``slice``, ``centre_row``, ``centre_column``, ``radius`` (of the disc of equal
            area), ``area`` (pixels of the picture, without margin) and ``borrowed`` (whether
            the outline is the neighbours').
            A table for ``pandas.DataFrame``. NaN, and area 0, where there is no ice.
        """
        check_is_fitted(self)
        X = check_stack(X)
        outlines = np.asarray(self._outlines(X, quiet=True))
        return _table(np.arange(X.shape[0]), outlines[:, 0], X.shape[1:])

    def _check_parameters(self, X):
        check_outside(self.outside, X.dtype)
        if not isinstance(self.margin, Real) or not np.isfinite(self.margin):
            raise ValueError(f"margin must be a finite number of pixels, got {self.margin!r}.")

    def _look(self, pixels):
        """What one slice shows: a record of `record_type`."""
        factor = reduction_factor(pixels.shape)
        record = np.zeros((), dtype=record_type(pixels.shape))
        if np.isnan(self.air_):
            record["line"] = _everything(record["view"].shape)
        elif np.isnan(self.ice_):
            record["line"] = np.nan
        else:
            view, wall, line, doubt = look(occupancy(pixels, factor, (self.air_, self.ice_)))
            record[...] = (view, wall, [*line[:2], *line.radii], doubt)
        return record

    def _outlines(self, X, *, quiet=False):
        """Outlines in pixels of X, and whether they are borrowed: (n_slices, 1, 3 + N_ANGLES)."""
        shape = X.shape[1:]
        seen = map_slabs(
            lambda slab: np.stack([self._look(pixels) for pixels in slab]).reshape(-1, 1, 1),
            X,
            dtype=record_type(shape),
            tail=(1, 1),
        )
        known = np.isfinite(self.air_) and np.isfinite(self.ice_)
        numbers = np.arange(X.shape[0]).reshape(-1, 1, 1)
        return map_slabs(
            lambda seen, numbers, inner: outline_slab(
                seen, numbers, inner, shape=shape, known=known, quiet=quiet
            ),
            seen,
            numbers,
            dtype=np.float32,
            tail=(1, 3 + N_ANGLES),
            halo=company(shape).halo,
        )

    def _apply(self, X, function, dtype):
        """Map ``function(pixels, outline, result, outside, margin)`` over a stack."""
        outlines = self._outlines(X)[:, :, :-1]
        fill = _fill_lazily if is_lazy(X) else _fill
        return fill(function, X, outlines, self.outside, self.margin, dtype)


class _Some:
    """Some slices of a stack, looked at one by one: what does not fit into memory is read again."""

    def __init__(self, X, numbers):
        room = _HELD_VOXELS // (X.shape[1] * X.shape[2])
        self.X, self.numbers = X, numbers.tolist()
        self.held = {n: np.asarray(X[n]) for n in self.numbers[:room]}

    def __iter__(self):
        for number in self.numbers:
            yield self.held[number] if number in self.held else np.asarray(self.X[number])


def _everything(shape):
    """An outline around a whole picture."""
    middle = [(edge - 1) / 2 for edge in shape]
    return np.array(middle + [float(sum(shape))] * N_ANGLES, dtype=np.float32)


def _table(numbers, outlines, shape):
    area = np.array([area_within(outline[:-1], shape) for outline in outlines], dtype=np.float64)
    return {
        "slice": numbers,
        "centre_row": outlines[:, 0].astype(np.float64),
        "centre_column": outlines[:, 1].astype(np.float64),
        "radius": np.where(area > 0, np.sqrt(area / np.pi), np.nan),
        "area": area,
        "borrowed": outlines[:, -1] > 0,
    }


def _masks(pixels, outline, result, outside, margin):
    """Write where the specimen is in a slice."""
    result[...] = ~np.isnan(pixels) if pixels.dtype.kind == "f" else True
    fill_outside(result, outline, margin, False)


def _cut(pixels, outline, result, outside, margin):
    """Write a slice with the outside value around the outline."""
    check_grey_values(pixels, outside)
    for first in range(0, len(pixels), _STRIP_ROWS):
        strip = result[first : first + _STRIP_ROWS]
        strip[...] = pixels[first : first + _STRIP_ROWS]
        if not np.isnan(outside):
            move_off(strip, outside)
    fill_outside(result, outline, margin, outside)


def _fill(function, X, outlines, outside, margin, dtype):
    result = np.empty(X.shape, dtype=dtype)
    for pixels, outline, part in zip(X, outlines[:, 0], result, strict=True):
        function(pixels, outline, part, outside, margin)
    return result


def _fill_lazily(function, X, outlines, outside, margin, dtype):
    import dask.array as da

    return da.blockwise(
        lambda slab, outlines: _fill(function, slab, outlines, outside, margin, dtype),
        "zyx",
        X.rechunk({1: -1, 2: -1}),
        "zyx",
        outlines,
        "zok",
        dtype=dtype,
        concatenate=True,
        meta=np.empty((0, 0, 0), dtype=dtype),
    )
