"""Texts as vectors: by a function of the user's, or by hashed groups of letters, which know no meaning."""

import hashlib
from collections.abc import Sequence

import numpy as np

from contract.errors import UserError
from models.build import load_class

GROUPS = (2, 3, 4)


def encode(texts: Sequence[str], *, encoder: str | None, width: int) -> np.ndarray:
    """Vectors of N texts, float32 (N, E), rows of length 1.

    ``encoder`` names a function, ``module:function``, from a list of texts to an array (N, E): any
    sentence embedding or language model that is there. Without one E is ``width``: a control.

    Raises
    ------
    UserError
        If there is no such function, or it gives no finite array with a row a text, none of them 0.
    """
    if encoder is None:
        return np.array([hashed(text, width=width) for text in texts], dtype=np.float32)
    found = np.asarray(load_class(encoder)(list(texts)), dtype=np.float32)
    if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
        shape = f"an array of shape {found.shape}"
        raise UserError(f"text_encoder {encoder}", found=shape, expected=f"({len(texts)}, E) finite numbers")
    length = np.linalg.norm(found, axis=1, keepdims=True)
    if not (length > 0).all():
        nothing = texts[int(length.argmin())]
        raise UserError(f"text_encoder {encoder}", found=f"zeros for {nothing!r}", expected="a direction")
    return found / length


def hashed(text: str, *, width: int) -> np.ndarray:
    """Signed counts of groups of 2 to 4 letters in ``width`` hashed places (10.1145/1553374.1553516)."""
    padded = f" {' '.join(text.lower().split())} "
    found = np.zeros(width)
    for size in GROUPS:
        for start in range(len(padded) - size + 1):
            code = hashlib.blake2b(padded[start : start + size].encode(), digest_size=8).digest()
            number = int.from_bytes(code, "little")
            found[number % width] += 1.0 if number >> 63 else -1.0
    length = np.linalg.norm(found)
    if length == 0.0:  # groups may cancel each other out in a narrow vector
        found[0] = length = 1.0
    return found / length
