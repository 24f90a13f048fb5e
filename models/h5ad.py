"""Tables and counts of our own prepared files without anndata, whose import costs a second a process."""

from typing import Any

import h5py
import numpy as np
import pandas as pd

PIECE = 1 << 16


def read_frame(group: h5py.Group) -> pd.DataFrame:
    """``obs`` or ``var``, as anndata reads it; of a column's words, those that are equal are one object."""
    columns = {name: _thrifty(group[name]) for name in group.attrs["column-order"]}
    name = group.attrs["_index"]
    index = pd.Index(read_value(group[name]), name=None if name == "_index" else name)
    return pd.DataFrame(columns, index=index, columns=pd.Index(list(columns), dtype=object))


def _thrifty(node: h5py.Group | h5py.Dataset) -> Any:
    """A column as ``read_value`` has it: six columns of a million words of their own would be 350 MB."""
    if node.attrs.get("encoding-type") != "string-array":
        return read_value(node)
    known: dict[str, str] = {}
    found = np.empty(len(node), dtype=object)
    for start in range(0, len(node), PIECE):
        words = node.asstr()[start : start + PIECE]
        found[start : start + PIECE] = [known.setdefault(word, word) for word in words]
    return found


def read_value(node: h5py.Group | h5py.Dataset) -> Any:
    """A column, or an entry of ``uns``; what a prepared file does not hold is left to anndata."""
    match node.attrs.get("encoding-type"):
        case "array":
            return node[:]
        case "string-array":
            return node.asstr()[:]
        case "string":
            return node.asstr()[()]
        case "categorical":
            categories = read_value(node["categories"])
            ordered = bool(node.attrs["ordered"])
            return pd.Categorical.from_codes(node["codes"][:], categories, ordered=ordered)
    from anndata.io import read_elem

    return read_elem(node)


def read_rows(
    stored: h5py.Group, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, columns and offsets (n + 1) of n ascending rows of a CSR matrix; memory of what is returned.

    Row i lies from ``starts[i]`` to ``stops[i]``; neighbours are read in one piece.
    """
    offsets = np.concatenate([[0], np.cumsum(stops - starts, dtype=np.int64)])
    arrays = [np.empty(offsets[-1], dtype=stored[name].dtype) for name in ("data", "indices")]
    cuts = np.flatnonzero(starts[1:] != stops[:-1]) + 1
    for first, last in zip([0, *cuts], [*cuts, len(starts)], strict=True):
        if offsets[first] == offsets[last]:
            continue
        source = np.s_[int(starts[first]) : int(stops[last - 1])]
        target = np.s_[int(offsets[first]) : int(offsets[last])]
        for name, array in zip(("data", "indices"), arrays, strict=True):
            stored[name].read_direct(array, source, target)
    return *arrays, offsets
