"""What a foreign file or store must not do: bring another file in, or promise what no memory holds."""

from pathlib import Path
from typing import Any

import h5py

LARGE, RATIO = 1 << 30, 5000
"""An array of so many bytes that lies in so many times fewer is no data: deflate gains 1,032 times."""


def refuse_links(file: h5py.File) -> None:
    """Raise a ``ValueError`` that names the first part of ``file`` which lies in another file, or is a bomb.

    An author may name any path there, and what lies under it would be read as if it were theirs.
    Links inside the file are followed by nobody here: what they point to is looked at in its place.
    """
    left, seen = [file["/"]], set()
    while left:
        group = left.pop()
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            if isinstance(link := group.get(name, getlink=True), h5py.ExternalLink):
                raise ValueError(f"{place} is a link to another file, {link.filename}")
            if not isinstance(link, h5py.HardLink):
                continue
            part = group[name]
            address = h5py.h5o.get_info(part.id).addr
            if isinstance(part, h5py.Group) and address not in seen:
                seen.add(address)
                left.append(part)
            if isinstance(part, h5py.Dataset):
                if part.external or part.is_virtual:
                    raise ValueError(f"{place} is stored in another file")
                if part.shape is not None and part.nbytes >= LARGE:
                    _check_size(place, part.nbytes, stored=part.id.get_storage_size())


def refuse_linked_store(folder: Path, root: Any) -> None:
    """The same for a zarr store: its files are its own, and its arrays (``root``) lie in them."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise ValueError(f"{path.relative_to(folder)} is a link to another file")
    for place, part in root.members(max_depth=None):
        if getattr(part, "nbytes", 0) >= LARGE:
            _check_size(place, part.nbytes, stored=part.nbytes_stored())


def _check_size(place: str, promised: int, *, stored: int) -> None:
    if promised > RATIO * stored:
        raise ValueError(f"{place} promises {promised:,} bytes, and {stored:,} are there")


def whole(array: Any, place: str) -> Any:
    """The array, or a ``ValueError``: of a zarr store a chunk that is not there would be read as zeros.

    Only where zeros say nothing may chunks be missing, as zarr leaves them out when they are all zero.
    """
    there = getattr(array, "nchunks_initialized", None)
    if there is not None and there < array.nchunks:
        raise ValueError(
            f"{place}: {array.nchunks - there} of {array.nchunks} chunks are not there, "
            "and would be read as zeros; where they are meant to be, write X as CSR"
        )
    return array
