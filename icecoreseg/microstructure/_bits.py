"""Images of one bit per voxel, in words of 64 voxels along the columns.

Comparing all voxels with their neighbours is then a few logical operations on an eighth
of the bytes. A voxel is bit ``i % 64`` of word ``i // 64`` of its row; bits beyond the
row are 0.
"""

import numpy as np


def pack_bits(mask):
    """Pack an array of 0 and 1 along its last axis.

    Parameters
    ----------
    mask : bool or uint8 array of shape (..., n_columns)

    Returns
    -------
    uint64 array of shape (..., ceil(n_columns / 64))

    Examples
    --------
    >>> import numpy as np
    >>> pack_bits(np.array([[1, 0, 1, 1]], dtype=np.uint8))
    array([[13]], dtype=uint64)
    """
    packed = np.ascontiguousarray(np.packbits(mask, axis=-1, bitorder="little"))
    if packed.shape[-1] % 8 == 0:
        return packed.view("<u8")
    words = np.zeros((*packed.shape[:-1], -(-packed.shape[-1] // 8) * 8), dtype=np.uint8)
    words[..., : packed.shape[-1]] = packed
    return words.view("<u8")


def shift_bits(words, n):
    """Every voxel takes the bit of the voxel `n` columns on, 0 <= n < 64; the last become 0.

    Examples
    --------
    >>> import numpy as np
    >>> shift_bits(pack_bits(np.array([[1, 0, 1, 1]], dtype=np.uint8)), 2)
    array([[3]], dtype=uint64)
    """
    if n == 0:
        return words
    words = np.ascontiguousarray(words)
    shifted = words >> np.uint64(n)
    # As one line, since loops over the few words of a row are slow; row ends are put right.
    shifted.reshape(-1)[:-1] |= words.reshape(-1)[1:] << np.uint64(64 - n)
    shifted[..., -1] = words[..., -1] >> np.uint64(n)
    return shifted


def count_bits(words):
    """How many bits are 1."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))
