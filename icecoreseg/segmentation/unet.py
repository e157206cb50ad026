"""`UNetSegmenter`: a U-Net that is used like any other scikit-learn classifier."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackClassifier
from icecoreseg._progress import progress
from icecoreseg._slabs import map_slabs
from icecoreseg._validation import check_outside, check_stack, is_lazy
from icecoreseg.segmentation._callbacks import CallbackSupportMixin, EpochCallbacks, with_callbacks
from icecoreseg.segmentation._card import card_of, load_network, model_of_card, model_of_published
from icecoreseg.segmentation._device import choose_device
from icecoreseg.segmentation._distributed import own_device, process_group
from icecoreseg.segmentation._model_file import read_model, write_model
from icecoreseg.segmentation._onnx import write_onnx
from icecoreseg.segmentation._parameters import check_parameters
from icecoreseg.segmentation._predict import place, stack_fraction, stack_labels, stack_proba
from icecoreseg.segmentation._run import TrainingRun

MODEL_VERSION = 1
"""Version of the card in model files."""


class UNetSegmenter(CallbackSupportMixin, StackClassifier):
    """Segment scans with the U-Net of Bagherzadeh et al. (2023), slice by slice.

    The network (1,513,409 parameters) learns the ice fraction of every voxel from a grey
    slice: cross-entropy against labels or, better, against ice fractions, which keep the
    partial volume of boundary voxels. Voxels outside the specimen take no part.

    Parameters
    ----------
    architecture : {"unet", "light", "bagherzadeh2023"}
        "bagherzadeh2023" is the network exactly as published, without activations after
        every other convolution; "unet" has the same layers with a ReLU after each; "light",
        8-16-32-64-128-160 wide, has as many parameters and a sixth of the operations.
    max_epochs : int
        Passes over the training data. The learning rate follows one schedule over all of
        them, so twice the epochs is not the same as going on.
    learning_rate : float
        Highest learning rate of the schedule (warm-up, then cosine).
    batch_size : int or "auto"
        Patches per step of the optimiser, and of each of the processes that ``torchrun`` starts.
        "auto" is 4 on the CPU, and as many as have a million pixels on CUDA (64 of 128 x 128).
        Other sizes may want another `learning_rate`.
    patch_size : int
        Edge of the patches in pixels.
    batches_per_epoch : int or None
        None for as many as cover the training voxels once, but at least 100: on few
        slices it is steps that count.
    device : {"auto", "cpu", "cuda", ...}
        "auto" takes CUDA where there is a device.
    random_state : int, RandomState or None
        Seed of weights, patches and augmentation. On the CPU, the same seed gives the
        same weights. Global generators are not touched.
    outside : float or int
        Grey value that marks what is outside; NaN or a number.
    threshold : float
        Ice fraction from which on `predict` says ICE.
    tile_size : int
        Slices with more rows or columns are predicted in tiles, with the same result.
    widths : tuple of int or None
        Encoder widths, one per pooling; None for those of the architecture.
    context_slices : int
        Neighbouring slices on either side that the network sees too, as further channels;
        0 is the paper's single slice. Where a neighbour is missing (ends of the stack,
        outside the specimen) the next slice towards the middle stands in for it. Labels
        then depend on neighbours: hand stacks over whole, slices in their order.
    patience : int or None
        Stop when the validation loss has not improved for so many epochs; None never does.
    warm_start : bool
        Whether `fit` goes on from the last one, as `partial_fit` does.
    checkpoint : str, Path or None
        File that holds the state of the training after every epoch. If the process is
        killed, the same call of `fit` goes on from there and ends with the weights of an
        uninterrupted run; on SIGTERM it saves first and exits.
    verbose : int
        0 is quiet, 1 shows progress in terminals and notebooks, 2 everywhere.

    Attributes
    ----------
    module_ : torch.nn.Module
        The network, on the CPU.
    grey_scale_ : GreyScale
        Mean and standard deviation of the training voxels.
    history_ : list of dict
        Of the last call, per epoch: epoch, train_loss, learning_rate, seconds; with
        validation data also valid_loss, valid_dice_ice and valid_dice_air.
    batch_size_ : int
        Patches per step of the last call.
    best_epoch_ : int
        Epoch whose weights are in `module_`: the one with the lowest validation loss, or
        the last where there is no validation data.
    classes_ : array
        AIR and ICE.
    training_data_ : list of dict
        What was learned from, per call of `fit` and `partial_fit` that went on from another:
        shapes of the stacks, number of valid voxels, their mean ice fraction.

    Examples
    --------
    A network small enough for a docstring learns that bright is ice:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.random((4, 8, 8)) < 0.5).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    >>> X = 50 + 100 * y + rng.normal(0, 20, y.shape).astype(np.float32)
    >>> model = UNetSegmenter(
    ...     widths=(4, 4), max_epochs=1, patch_size=32, learning_rate=0.03, random_state=0
    ... )
    >>> bool(model.fit(X, y).score(X, y) > 0.9)
    True
    >>> model.predict_proba(X).shape
    (4, 2, 32, 32)
    """

    def __init__(
        self,
        *,
        architecture="unet",
        max_epochs=10,
        learning_rate=1e-3,
        batch_size="auto",
        patch_size=128,
        batches_per_epoch=None,
        device="auto",
        random_state=None,
        outside=np.nan,
        threshold=0.5,
        tile_size=2048,
        widths=None,
        context_slices=0,
        patience=None,
        warm_start=False,
        checkpoint=None,
        verbose=0,
    ):
        self.architecture = architecture
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.patch_size = patch_size
        self.batches_per_epoch = batches_per_epoch
        self.device = device
        self.random_state = random_state
        self.outside = outside
        self.threshold = threshold
        self.tile_size = tile_size
        self.widths = widths
        self.context_slices = context_slices
        self.patience = patience
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, *, validation_data=None):
        """Train on one core or several.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns), or list of such arrays
            Grey stack, numpy or dask; a list holds one stack per core, and their slices
            may have different sizes.
        y : array like X, or list of such arrays
            Labels AIR, ICE, OUTSIDE, or ice fractions (float, NaN outside).
        validation_data : tuple (X, y), optional
            Data that is not trained on: scored after every epoch, and the weights of the
            best epoch are kept. There is no hidden split.

        Returns
        -------
        UNetSegmenter
            The fitted segmenter itself.

        Raises
        ------
        ValueError
            If shapes or values are wrong, or there is nothing to learn from.
        FloatingPointError
            If the loss is no longer finite; the segmenter then has the weights of the
            last finished epoch (with validation data the best), if there is one.
        """
        return self._train(X, y, validation_data, goes_on=self.warm_start)

    @with_callbacks
    def partial_fit(self, X, y, *, validation_data=None):
        """Train further on new cores; the first call is `fit`.

        Each call runs the whole schedule of `max_epochs` and `learning_rate`, from warm-up to
        cosine, starting from the weights of the last call and with its grey scale. What the
        first cores taught is not rehearsed: a smaller `learning_rate`, or old cores among the
        new, keeps it. New scans need the grey levels of the first (see `BrightnessNormalizer`)
        and both classes. With a `checkpoint`, each call needs a file of its own.

        Parameters
        ----------
        X, y, validation_data
            As in `fit`.

        Returns
        -------
        UNetSegmenter
            The fitted segmenter itself.

        Raises
        ------
        ValueError
            As in `fit`, and if `architecture`, `widths` or `context_slices` are no longer
            those of the fitted network.
        FloatingPointError
            As in `fit`.
        """
        return self._train(X, y, validation_data, goes_on=True)

    def _train(self, X, y, validation_data, *, goes_on):
        check_parameters(self.get_params())
        start = self if goes_on and hasattr(self, "module_") else None
        device = own_device(choose_device(self.device))
        with process_group(device):
            run = TrainingRun(self.get_params(), X, y, validation_data, device=device, start=start)
            callbacks = EpochCallbacks(self, X, y, run.reached)
            try:
                run.train(callbacks)
            finally:
                if run.state.epoch > 0:
                    vars(self).update(run.reached())
            callbacks.fit_ends()
        return self

    def predict(self, X):
        """Labels of a grey stack.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack; numpy in -> numpy out, dask in -> dask out (lazy).

        Returns
        -------
        array of shape (n_slices, n_rows, n_columns)
            uint8: AIR, ICE, and OUTSIDE where X is outside.
        """
        return self._map(partial(stack_labels, threshold=self.threshold), X, np.uint8)

    def predict_fraction(self, X):
        """Ice fractions of a grey stack: float32 in [0, 1], NaN outside, shape as X."""
        return self._map(stack_fraction, X, np.float32)

    def predict_proba(self, X):
        """Probabilities of air and ice: float32, shape (n_slices, 2, n_rows, n_columns)."""
        return self._map(stack_proba, X, np.float32, tail=(2, *np.shape(X)[1:]))

    def save(self, path, *, voxel_size_um=None):
        """Write the fitted segmenter to one safetensors file, atomically.

        Parameters
        ----------
        path : str or Path
            The header of the file holds a card in JSON: parameters, grey scale, classes, data and
            history of the training, versions. Nothing in it can execute code.
        voxel_size_um : float or (float, float, float), optional
            Voxel size of the scans that it was trained on (z, y, x), for the card.
        """
        check_is_fitted(self, "module_")
        tensors, card = self.module_.state_dict(), card_of(self, voxel_size_um)
        write_model(path, tensors, card, kind=type(self).__name__, version=MODEL_VERSION)

    def export_onnx(self, path):
        """Write the network as an ONNX file, for programs without torch.

        Input "grey": grey values as here, float32, shape (n, 1 + 2 * context_slices, n_rows,
        n_columns), a slice between its neighbours; rows and columns must be multiples of 64 (2 to
        the number of `widths`). Output "fraction": ice, shape (n, 1, n_rows, n_columns), NaN
        outside. Scaling is part of the network; the card stands in the metadata.

        Raises
        ------
        ImportError
            If onnxscript, torch's exporter, is not installed (``icecoreseg[onnx]``).
        """
        check_is_fitted(self, "module_")
        grey = replace(self.grey_scale_, outside=self.outside)
        write_onnx(path, self.module_, grey, card_of(self))

    @classmethod
    def load(cls, path):
        """Read a segmenter written by `save`; `checkpoint` is None, `device` "auto" or "cpu".

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, foreign, or from a newer version.
        """
        tensors, card = read_model(path, kind=cls.__name__, version=MODEL_VERSION)
        model = model_of_card(cls, card, path)
        network = load_network(model.get_params(), tensors, path)
        model.module_ = place(network, torch.device("cpu"))
        return model

    @classmethod
    def from_published_weights(cls, path, *, grey_range=(0, 255), **parameters):
        """Import a torch checkpoint of the paper's published network, weights only.

        Parameters
        ----------
        path : str or Path
            State dict with the layers conv1 to conv12, up1_conv to up6_conv and output.
        grey_range : (float, float)
            Grey values that become 0 and 1 before the network. The published code took
            the extremes of every slice; one range for all does not depend on artefacts.
        **parameters
            Other constructor parameters.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file holds something else (code in it is not run), or if `context_slices`
            is not 0: the published network sees one slice.
        """
        return model_of_published(cls, path, grey_range, parameters)

    def _map(self, function, X, dtype, tail=None):
        check_is_fitted(self, "module_")
        X = check_stack(X)
        check_outside(self.outside, X.dtype)
        grey = replace(self.grey_scale_, outside=self.outside)
        options = {"network": self.module_, "grey": grey, "tile_size": self.tile_size}
        work = partial(function, device=self.device, **options)
        if is_lazy(X):
            return map_slabs(work, X, dtype=dtype, tail=tail, halo=self.module_.context_slices)
        with progress(total=len(X), unit="slice") as bar:
            return work(X, done=bar.update)
