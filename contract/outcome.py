"""What became of a step: ok, not applicable, or failed, and why.

A step that may fail for one data set or one contestant without spoiling the
page always writes ``outcome.json`` and exits 0.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, Self, get_args

from contract.files import Broken, read_json, write_json

Status = Literal["ok", "not_applicable", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """``status``, the ``stage`` it was reached at, one line of ``reason``, and the end of the log."""

    status: Status
    stage: str
    reason: str = ""
    log_tail: str = ""

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``write`` wrote; anything else is a ``Broken``."""
        value = read_json(path)
        known = isinstance(value, dict) and set(value) == {field.name for field in fields(cls)}
        texts = known and all(isinstance(part, str) for part in value.values())
        if not texts or value["status"] not in get_args(Status):
            raise Broken(path, "it tells of no status that we know", expected="an outcome")
        return cls(**value)
