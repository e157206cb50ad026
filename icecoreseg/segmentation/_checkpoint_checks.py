"""Whether a checkpoint can be gone on from: a file may be damaged, or not what it says."""

from numbers import Real


def check_card(card, path):
    """Raise ValueError unless the card of a checkpoint has all its parts.

    Parameters
    ----------
    card : anything
        What JSON gave; see `Checkpoint.save` for what it should hold.
    path : Path
        Where it comes from, for the message.
    """
    sound = isinstance(card, dict) and all(
        name in card and is_sound(card[name]) for name, is_sound in _PARTS.items()
    )
    if not sound:
        raise _damaged(path, "its card is not that of a training")


def check_tensors(state, tensors, path, *, has_best):
    """Raise ValueError unless the tensors have the names and shapes of this training's state.

    Parameters
    ----------
    state : TrainingState
        The training that is to go on.
    tensors : dict of str to tensor
        Those of the file.
    path : Path
        Where they come from.
    has_best : bool
        Whether the weights of a best epoch belong to them.
    """
    weights = {name: tuple(value.shape) for name, value in state.network.state_dict().items()}
    expected = {f"network.{name}": shape for name, shape in weights.items()}
    if has_best:
        expected |= {f"best.{name}": shape for name, shape in weights.items()}
    for i, weight in enumerate(state.network.parameters()):
        shape = tuple(weight.shape)
        expected[f"optimizer.{i}.step"] = ()
        expected |= {f"optimizer.{i}.{name}": shape for name in ("exp_avg", "exp_avg_sq")}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if found != expected:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise _damaged(path, f"its tensors {wrong[:3]} are not those of this training")


def _damaged(path, why):
    return ValueError(f"The checkpoint {path} is damaged: {why}. Delete it to start anew.")


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_sums(sums):
    """Loss, weight and seconds of the batches so far."""
    return isinstance(sums, list) and len(sums) == 3 and all(map(_is_number, sums))


def _is_history(history):
    return isinstance(history, list) and all(isinstance(row, dict) for row in history)


def _is_best(best):
    if best is None:
        return True
    return isinstance(best, dict) and _is_count(best.get("epoch")) and _is_number(best.get("loss"))


_PARTS = {
    "identity": lambda value: isinstance(value, dict),
    "seed": _is_count,
    "epoch": _is_count,
    "batch": _is_count,
    "sums": _is_sums,
    "history": _is_history,
    "best": _is_best,
    "scaler": lambda value: isinstance(value, dict),
}
