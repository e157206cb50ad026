"""Unsupervised labels: a Gaussian mixture of the grey levels of every slice."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from icecoreseg._slabs import iterate_with_halo, map_slabs
from icecoreseg._validation import (
    check_choice,
    check_grey_values,
    check_positive_int,
    warn_if_outside_unmarked,
)
from icecoreseg.labeling._anchor import fit_anchored, known_phases, typical_mixture
from icecoreseg.labeling._balance import find_balance
from icecoreseg.labeling._content import ice_by_level
from icecoreseg.labeling._labeler import Labeler
from icecoreseg.labeling._levels import Levels, mean_change
from icecoreseg.labeling._noise import check_smoothing, choose_smoothing
from icecoreseg.labeling._quality import clipped_slice_share, jumps, trend_share, warn_of_doubts
from icecoreseg.labeling._rings import ring_share
from icecoreseg.labeling._smoothing import smoothing_reach
from icecoreseg.labeling.histogram import pool_histograms
from icecoreseg.labeling.mixture import fit_mixture, tabulate

_FIT_OPTIONS = ("covariance_type", "tol", "max_iter", "reg_covar", "random_state")
_FIRST_TOL = 1e-6


class GMMLabeler(Labeler):
    r"""Label ice and air by a two-component Gaussian mixture per slice.

    The weak labeler of the paper [1]_: the grey levels of the specimen are a mixture of two
    Gaussians with one (*tied*) variance, started from k-means; the component of larger
    mean is ice. Expectation-maximisation runs on the histogram of the slice, which
    gives the result of `sklearn.mixture.GaussianMixture` on its voxels, and the labels
    are looked up by grey level.

    Beyond the paper, the scan is smoothed along the core too (neighbouring fine slices show the
    same grains and bubbles) and its blur taken back, the fit runs to convergence, a slice with
    too few voxels of one phase borrows it from the whole stack, and the posterior is
    balanced where partly filled voxels bias it. For the paper's own recipe use
    ``GMMLabeler(smoothing=(0, 1.1, 1.1), sharpening=0, anchor_strength=0, tol=1e-3,
    prior="mixture")``.

    Parameters
    ----------
    n_components : int
        Components of the mixture. With more than two, those between the darkest (air)
        and the brightest (ice) count as partly ice, by their mean.
    covariance_type : {"tied", "full"}
        One variance for all components, or one each.
    smoothing : "auto", float, (float, float, float) or None
        Standard deviation in voxels of the Gaussian smoothing before the fit, for all axes
        or for (z, y, x). The outside does not bleed into the rim. None: no smoothing.
        "auto": 0.5 to 1.25 for all axes, by the noise of a few slices of the stack in `fit`.
    sharpening : float
        Weight a of an unsharp mask in the smoothing, ``(1 + a) G(sigma) - a G(2 sigma)``:
        gives back the small structures that smoothing and scanner blur. 0: plain Gaussian.
    anchor_strength : float
        How much a slice borrows from the mixture of the whole stack, in voxels of the stack
        per voxel of the slice and component; 0 fits every slice alone.
    prior : {"balanced", "tempered", "mixture"}
        Weights of the components in the posterior. "mixture": those of equation (2), which take
        partly filled voxels for noise. "tempered": these to the power (1 + noise share) / 2.
        "balanced": that, moved (`balance_`) so that the ice agrees with the mean grey level.
    tol : float
        Change of the mean log-likelihood at which a fit stops.
    max_iter : int
        Most steps of a fit.
    reg_covar : float
        Added to the variances, squared grey levels.
    output : {"labels", "fraction", "linear_fraction"}
        What ``transform`` returns: labels; the probability of ice (soft labels, which keep
        what the fine scan knows about partly filled voxels); or where the grey level lies
        between the means of air and ice, which is right for partly filled voxels only.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside.
    random_state : int, RandomState or None
        Seed of the k-means start of three or more components; two need no seed.

    Attributes
    ----------
    means_ : array of shape (n_slices, n_components)
        Mean grey level of every component, rising; NaN for slices that had no fit.
    covariances_ : array of shape (n_slices, n_components)
        Variances (all equal if tied).
    weights_ : array of shape (n_slices, n_components)
        Mixing coefficients.
    converged_ : array of shape (n_slices,), bool
        Whether the fit of the slice converged.
    n_iter_ : array of shape (n_slices,), int
        Steps of every fit.
    separation_ : array of shape (n_slices,)
        Distance of the outer means in standard deviations (d'). Below 2 the two phases
        overlap too much for labels to be trusted: ``fit`` warns, and names the slices.
    fell_back_ : array of shape (n_slices,), bool
        Slices that do not show two phases like those of the stack (blank, one phase only, an
        artefact) and borrow means and variances, moved to their own peak. ``fit`` warns.
    balance_ : float
        How far the threshold is moved towards air, in the distance of a slice's means (log-odds
        of ice: that times ``separation_`` squared); 0 if nothing tells it.
    smoothing_ : (float, float, float)
        Standard deviations (z, y, x) of the smoothing.
    mixture_ : Mixture
        The anchor: median of the slices with clear phases; if none are, that of the stack.
    phases_ : array of shape (n_known, 2)
        Grey levels of air and ice in the slices that show both, as brightness drifts.

    Raises
    ------
    ValueError
        If X is no 3-D grey stack or has no voxel inside, or if a parameter is wrong.

    Notes
    -----
    ``predict`` fits the mixtures of the slices that it is given; anchor and balance are from
    ``fit``. With smoothing along z a label depends on neighbouring slices (five on either side by
    default); lazy stacks are computed with that overlap, to the same labels.

    References
    ----------
    .. [1] Bagherzadeh et al. (2023), section III-B and equations (1)-(5),
       doi:10.1109/TGRS.2023.3334867

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.random((2, 64, 64)) < 0.7
    >>> X = np.where(ice, rng.normal(110, 8, ice.shape), rng.normal(30, 8, ice.shape))
    >>> labeler = GMMLabeler(smoothing=None).fit(X)
    >>> labeler.means_.round()
    array([[ 30., 110.],
           [ 30., 110.]])
    >>> bool((labeler.predict(X) == ice).all())
    True
    """

    def __init__(
        self,
        n_components=2,
        *,
        covariance_type="tied",
        smoothing="auto",
        sharpening=0.8,
        anchor_strength=0.01,
        prior="balanced",
        tol=1e-9,
        max_iter=1000,
        reg_covar=1e-6,
        output="labels",
        outside=np.nan,
        random_state=None,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.smoothing = smoothing
        self.sharpening = sharpening
        self.anchor_strength = anchor_strength
        self.prior = prior
        self.tol = tol
        self.max_iter = max_iter
        self.reg_covar = reg_covar
        self.output = output
        self.outside = outside
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit the mixture of every slice, and that of the stack.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask (read slab by slab).
        y : None
            Ignored.

        Returns
        -------
        GMMLabeler
            The estimator itself.
        """
        X = self._check(X)
        warn_if_outside_unmarked(X, self.outside)
        given = check_smoothing(self.smoothing)
        self.smoothing_ = given or (choose_smoothing(X, self.outside),) * 3
        histograms, *signs = zip(*self._read(X), strict=True)
        if not any(h.n_voxels for h in histograms):
            raise ValueError("X has no voxel inside the specimen: every value is outside.")
        alone = [self._fit_alone(h) for h in histograms]
        self.mixture_ = typical_mixture(alone) or self._fit(pool_histograms(histograms))
        self.phases_ = known_phases(alone, self.mixture_)
        fits = [self._borrow(*pair) for pair in zip(histograms, alone, strict=True)]
        vars(self).update(tabulate(fits, self.n_components))
        bad = self.fell_back_ | jumps(np.array(signs[0]), self.mixture_)
        told = np.where(bad, None, [mixture for mixture, _ in fits])
        self.balance_, doubtful = find_balance(X, self, histograms, told)
        warn_of_doubts(self, *map(np.array, signs), doubtful)
        return self

    def predict(self, X):
        """Label every voxel.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.

        Returns
        -------
        array of the same shape, uint8
            AIR, ICE, OUTSIDE. A voxel is ice where ice is more likely than not.
        """
        return self._apply(X, Levels.label, np.uint8)

    def predict_fraction(self, X):
        """Probability of ice of every voxel.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.

        Returns
        -------
        array of the same shape, float32
            Posterior of equation (2), NaN outside.
        """
        return self._apply(X, Levels.look_up, np.float32)

    def predict_proba(self, X):
        """Probabilities of air and ice.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.

        Returns
        -------
        array of shape (n_slices, 2, n_rows, n_columns), float32
            Air first; NaN outside.
        """
        fraction = self.predict_fraction(X)

        def both(slab):
            return np.stack([1 - slab, slab], axis=1)

        return map_slabs(both, fraction, dtype=np.float32, tail=(2, *fraction.shape[1:]))

    def transform(self, X):
        """Labels or ice fractions, as `output` says: this makes it a pipeline step.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.

        Returns
        -------
        array of the same shape
            See ``predict`` (uint8) and ``predict_fraction`` (float32).
        """
        if self.output == "labels":
            return self.predict(X)
        rule = "linear" if self.output == "linear_fraction" else None
        return self._apply(X, Levels.look_up, np.float32, rule)

    def _check_parameters(self):
        check_positive_int(self.n_components, name="n_components", minimum=2)
        check_choice(self.covariance_type, ("tied", "full"), name="covariance_type")
        check_choice(self.output, ("labels", "fraction", "linear_fraction"), name="output")
        check_choice(self.prior, ("balanced", "tempered", "mixture"), name="prior")
        check_smoothing(self.smoothing)
        if not 0 <= self.sharpening < np.inf:
            raise ValueError(f"sharpening must be non-negative, got {self.sharpening!r}.")

    def _halo(self):
        return smoothing_reach(self.smoothing_, self.sharpening)[0]

    def _levels(self, slab, number):
        """The grey levels of one slice of a slab, smoothed if asked for."""
        options = {"sharpening": self.sharpening, "outside": self.outside}
        return Levels(slab, number, self.smoothing_, **options)

    def _check_values(self, slab):
        for number in range(len(slab)):  # the neighbours too: they are smoothed into the others
            check_grey_values(slab[number], self.outside)

    def _read(self, X):
        """Of every slice: its histogram, and the signs that `warn_of_doubts` goes by."""
        for _, slab, inner in iterate_with_halo(X, self._halo()):
            self._check_values(slab)
            for number in range(inner.start, inner.stop):
                yield self._signs(self._levels(slab, number), slab[number])

    def _signs(self, levels, raw):
        shares = (share(levels.values, levels.empty) for share in (trend_share, ring_share))
        change = mean_change(levels, raw, self.outside)
        return levels.histogram, change, *shares, clipped_slice_share(raw, self.outside)

    def _fit(self, histogram, **special):
        options = {key: getattr(self, key) for key in _FIT_OPTIONS} | special
        return fit_mixture(histogram, self.n_components, **options)

    def _fit_alone(self, histogram):
        """Mixture of one slice by itself, or None where there is nothing to fit."""
        if np.count_nonzero(histogram.counts) < self.n_components:
            return None
        if self.anchor_strength == 0:
            return self._fit(histogram)
        return self._fit(histogram, tol=max(self.tol, _FIRST_TOL))  # the start of another fit

    def _borrow(self, histogram, alone):
        """(mixture of one slice or None, whether it fell back on the stack's)."""
        if histogram.n_voxels == 0 or self.anchor_strength == 0:
            return alone, False
        stack = self.mixture_, self.phases_, self.anchor_strength
        return fit_anchored(histogram, alone, *stack, self._fit)

    def _apply(self, X, answer, dtype, rule=None):
        """``answer(levels, table, out)`` of every slice; the rule is that of `ice_by_level`."""
        check_is_fitted(self)
        X = self._check(X)

        def work(slab, inner=slice(None)):
            self._check_values(slab)
            numbers = range(*inner.indices(len(slab)))
            result = np.empty((len(numbers), *slab.shape[1:]), dtype=dtype)
            for row, number in zip(result, numbers, strict=True):
                look(slab, number, row)
            return result

        def look(slab, number, row):  # a function, so that one slice's levels go before the next
            levels = self._levels(slab, number)
            answer(levels, self._ice(levels.histogram, rule), out=row)

        return map_slabs(work, X, dtype=dtype, halo=self._halo())

    def _ice(self, histogram, rule=None):
        """Ice content of every bin of a slice."""
        if histogram.n_voxels == 0:
            return np.zeros(0)
        mixture = self._mixture_of(histogram)
        return ice_by_level(histogram, mixture, rule or self.prior, self.balance_)

    def _mixture_of(self, histogram):
        """Mixture that labels a slice: its own, or the stack's if it can have none."""
        return self._borrow(histogram, self._fit_alone(histogram))[0] or self.mixture_
