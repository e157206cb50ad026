"""Callbacks of scikit-learn, told of every epoch, where scikit-learn has them (1.9 and later)."""

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""

    def with_callbacks(method):
        """Nobody to tell."""
        return method


__all__ = ["CallbackSupportMixin", "EpochCallbacks", "NoCallbacks", "with_callbacks"]


class NoCallbacks:
    """Nobody is told of the epochs, and nobody stops them."""

    def epoch_begins(self):
        """To be called before every epoch."""

    def epoch_ends(self):
        """To be called after every epoch; whether a callback asks to stop."""
        return False


class EpochCallbacks:
    """Tell the callbacks of a segmenter that its fit and its epochs begin and end.

    Parameters
    ----------
    segmenter : UNetSegmenter
    X, y
        What it is fitted to. Callbacks see stacks, but not lists of cores, which scorers do not
        know.
    reached : callable
        Returns the fitted attributes as they are now, as a dict.
    """

    def __init__(self, segmenter, X, y, reached):
        self._given = {"estimator": segmenter}
        if not isinstance(X, list | tuple):
            self._given |= {"X": X, "y": y}
        self._reached = reached
        self._fit = self._epoch = None
        if hasattr(segmenter, "_init_callback_context"):
            self._fit = segmenter._init_callback_context(max_subtasks=segmenter.max_epochs)
            self._fit.call_on_fit_task_begin(**self._given)

    def epoch_begins(self):
        """To be called before every epoch."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._given)

    def epoch_ends(self):
        """To be called after every epoch; whether a callback asks to stop."""
        return self._end(self._epoch)

    def fit_ends(self):
        """To be called when all is done."""
        self._end(self._fit)

    def _end(self, task):
        if task is None:
            return False
        reached = {"reconstruction_attributes": self._reached}
        return task.call_on_fit_task_end(**self._given, **reached)
