"""Atomic writes, content hashes, and files of ours read with suspicion."""

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import UserError, printable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, else it is removed.

    A reader sees the old file or the new one, never half of one. The temporary
    name keeps the suffix, because writers such as ``anndata`` look at it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    temporary = Path(name)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys; NaN is refused, because JSON has none."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    try:
        encoded = f"{text}\n".encode()
    except UnicodeEncodeError as error:
        name = text[max(0, error.start - 40) : error.end + 10]
        raise UserError(
            str(path), found=f"a name that is no text: {name}", expected="UTF-8", todo="rename it"
        ) from None
    with atomic(path) as temporary:
        temporary.write_bytes(encoded)


class Broken(UserError, ValueError):
    """A file of ours that is not what its name says: cut short, overwritten, or of another kind.

    ``why`` is what the reader stumbled over.
    """

    def __init__(self, path: Path, error: Exception | str, *, expected: str) -> None:
        self.why = printable(str(error))
        todo = "delete it, and run again: the step that makes it does so once more"
        super().__init__(str(path), found=f"a broken file ({error})", expected=expected, todo=todo)


def read_json(path: Path) -> Any:
    """Read a JSON file of ours; one that is cut short, or could not be written again, is a ``Broken``.

    Python's own reader takes NaN, numbers beyond any float, and halves of signs that no file can hold.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise Broken(path, error, expected="JSON") from None


def _finite(word: str) -> float:
    if not math.isfinite(value := float(word)):
        raise ValueError(f"{word}, which JSON has no number for")
    return value


def read_array(path: Path) -> "np.ndarray":
    """Read an ``.npy`` of plain values; one that is cut short or holds pickled objects is a ``Broken``."""
    import numpy as np

    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - numpy parses the header as Python and stumbles as Python does
        raise Broken(path, error, expected="a .npy of numbers") from None


def read_table(path: Path, *, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read a parquet file of ours, or some of its columns; a damaged one is a ``Broken``."""
    import pandas as pd
    import pyarrow as pa

    try:
        # With threads of Arrow's own, one process in six that ended at once was aborted (apache/arrow#34314).
        return pd.read_parquet(path, columns=None if columns is None else list(columns), use_threads=False)
    except (ValueError, KeyError, OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Broken(path, error, expected="a parquet file as it was written") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
