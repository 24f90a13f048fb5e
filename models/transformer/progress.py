"""One line a record on stderr: loss, speed, time to go."""

import sys
import time
from typing import Any


class Progress:
    """A ``report`` for ``engine.pretrain``; speeds are those since the last record of this process."""

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None
        self._time = 0.0

    def __call__(self, record: dict[str, Any]) -> None:
        """Print one record."""
        now = time.monotonic()
        parts = [f"step {record['step']}/{record['steps']}"]
        parts += [f"{name} {record[name]:.3f}" for name in ("loss", "validation") if record[name] is not None]
        if self._last is not None:
            seconds = max(now - self._time, 1e-9)
            left = (record["steps"] - record["step"]) * seconds / (record["step"] - self._last["step"])
            parts += [
                f"{(record['cells'] - self._last['cells']) / seconds:,.0f} cells/s",
                f"{(record['tokens'] - self._last['tokens']) / seconds:,.0f} tokens/s",
                f"{left:,.0f} s to go",
            ]
        print("pretrain: " + ", ".join(parts), file=sys.stderr, flush=True)
        self._last, self._time = record, now
