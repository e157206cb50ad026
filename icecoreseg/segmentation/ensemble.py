"""`EnsembleSegmenter`: ask several networks, from every side, and see how far they agree."""

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackClassifier
from icecoreseg._slabs import iterate_with_halo, map_slabs
from icecoreseg._validation import check_positive_int, check_stack
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.segmentation._delegation import context_of, predict_fraction


class EnsembleSegmenter(MetaEstimatorMixin, StackClassifier):
    """Average the ice fractions of several segmenters and of the symmetries of the square.

    Networks that differ in their seed alone, and one network that looks at a slice turned
    and flipped, disagree where the scan does not decide. Their mean is a little better
    than any of them; their spread says where, and how far, not to trust it. What all of
    them have learnt wrongly from the labels it cannot show.

    Parameters
    ----------
    segmenter : estimator
        With ``predict_fraction``, or a pipeline that ends with one. To ask a segmenter that
        is already trained: ``EnsembleSegmenter(FrozenEstimator(model), n_members=1)``.
    n_members : int
        How many are trained, each with a seed of its own.
    symmetries : bool
        Whether each member sees every slice in all eight orientations.
    threshold : float
        Mean ice fraction from which on `predict` says ICE.
    random_state : int, RandomState or None
        Seed of the members' seeds.

    Attributes
    ----------
    members_ : list of estimators
        The fitted segmenters.
    classes_ : array
        AIR and ICE.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import UNetSegmenter
    >>> X = np.where(np.random.default_rng(0).random((2, 32, 32)) < 0.5, 90.0, 10.0)
    >>> unet = UNetSegmenter(widths=(4, 4), max_epochs=1, batches_per_epoch=10, patch_size=32)
    >>> model = EnsembleSegmenter(unet, n_members=2, random_state=0).fit(X, X > 50)
    >>> mean, std = model.predict_fraction(X, return_std=True)
    >>> mean.shape, bool(std.max() < 0.6)
    ((2, 32, 32), True)
    """

    def __init__(
        self, segmenter, *, n_members=3, symmetries=True, threshold=0.5, random_state=None
    ):
        self.segmenter = segmenter
        self.n_members = n_members
        self.symmetries = symmetries
        self.threshold = threshold
        self.random_state = random_state

    def fit(self, X, y, **fit_params):
        """Train the members.

        Parameters
        ----------
        X, y, **fit_params
            As the segmenter's ``fit`` takes them.

        Returns
        -------
        EnsembleSegmenter
            The fitted ensemble itself.
        """
        n_members = check_positive_int(self.n_members, name="n_members")
        rng = check_random_state(self.random_state)
        members = [_seeded(clone(self.segmenter), rng) for _ in range(n_members)]
        self.members_ = [member.fit(X, y, **fit_params) for member in members]
        self.classes_ = np.array([AIR, ICE])
        return self

    def predict(self, X):
        """Labels by the mean fraction: uint8, OUTSIDE where X is outside."""

        def label(slab, **inner):
            mean = self._moments(slab, **inner)[:, 0]
            labels = np.where(mean >= self.threshold, np.uint8(ICE), np.uint8(AIR))
            return np.where(np.isnan(mean), np.uint8(OUTSIDE), labels)

        check_is_fitted(self, "members_")
        return map_slabs(label, check_stack(X), dtype=np.uint8, halo=self._halo())

    def predict_fraction(self, X, *, return_std=False):
        """Mean ice fraction of members and symmetries, and their standard deviation.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask.
        return_std : bool
            Whether the standard deviation per voxel is returned as well.

        Returns
        -------
        mean, or (mean, std) : arrays of shape (n_slices, n_rows, n_columns)
            float32, NaN outside.
        """
        check_is_fitted(self, "members_")
        X = check_stack(X)
        shape = (2, *X.shape[1:])
        moments = map_slabs(self._moments, X, dtype=np.float32, tail=shape, halo=self._halo())
        return (moments[:, 0], moments[:, 1]) if return_std else moments[:, 0]

    def ice_fraction(self, X):
        """Ice fraction of every slice with its standard deviation.

        Errors of neighbouring voxels go together, so the spread of a slice's ice (and
        density) does not follow from that of its voxels; here each member and each symmetry
        gives one value per slice.

        Returns
        -------
        mean, std : arrays of shape (n_slices,)
            NaN for slices that lie outside wholly.
        """
        check_is_fitted(self, "members_")
        rows = [
            [[_mean_inside(x) for x in view] for view in self._views(slab, inner)]
            for _, slab, inner in iterate_with_halo(check_stack(X), self._halo())
        ]
        values = np.concatenate(rows, axis=1)
        return values.mean(axis=0), values.std(axis=0)

    def _halo(self):
        return max(map(context_of, self.members_))

    def _moments(self, X, inner=slice(None)):
        """Mean and standard deviation over the views, shape (n_slices, 2, rows, columns)."""
        shape = (len(range(*inner.indices(len(X)))), *X.shape[1:])
        n_views, mean, squares = 0, np.zeros(shape), np.zeros(shape)
        for fraction in self._views(X, inner):
            n_views += 1
            change = fraction - mean
            mean += change / n_views
            squares += change * (fraction - mean)
        return np.stack([mean, np.sqrt(squares / n_views)], axis=1).astype(np.float32)

    def _views(self, X, inner):
        """Yield the fractions of a slab by every member, from every side."""
        X = np.asarray(X)
        for member in self.members_:
            for turns in range(4 if self.symmetries else 1):
                for flip in (1, -1) if self.symmetries else (1,):
                    view = np.rot90(X, turns, axes=(1, 2))[:, :, ::flip]
                    fraction = predict_fraction(member, np.ascontiguousarray(view))[inner]
                    yield np.rot90(fraction[:, :, ::flip], -turns, axes=(1, 2))


def _seeded(estimator, rng):
    """Set every parameter called random_state, in steps of pipelines too."""
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    estimator.set_params(**{name: int(rng.randint(2**31 - 1)) for name in sorted(names)})
    return estimator


def _mean_inside(fraction):
    inside = ~np.isnan(fraction)
    return fraction[inside].mean(dtype=np.float64) if inside.any() else np.nan
