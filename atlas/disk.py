"""HDF5 on a disk that may be full: it crashes the process when it cannot write what it must to close."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class PatientFile(io.FileIO):
    """A new file whose first failed write is kept and told by ``check``; HDF5 never learns of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.failed: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of ``data``, or seem to."""
        left = memoryview(data).cast("B")
        size = len(left)
        while len(left) and self.failed is None:
            try:
                left = left[super().write(left) :]
            except OSError as error:
                self.failed = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen, or seem to."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.failed = self.failed or error
            return size or 0

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.failed is not None:
            raise OSError(self.failed.errno, self.failed.strerror, str(self.name)) from None


@contextmanager
def new_h5(path: Path) -> Iterator[tuple[h5py.File, PatientFile]]:
    """A new HDF5 file; an ``OSError`` at the end, or whenever it is checked, if the disk did not take it."""
    with PatientFile(path) as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file, raw
        finally:
            raw.check()
