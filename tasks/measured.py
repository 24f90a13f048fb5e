"""One measured value, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from contract.errors import NotApplicable
from metrics import Undefined

Status = Literal["ok", "undefined", "not_applicable", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A metric's value on ``n`` cells; ``value`` is ``None`` exactly when ``status`` is not ``ok``.

    ``reason`` says why a value is missing; beside a value it is a remark, mostly empty.
    """

    metric: str
    unit: str
    n: int | None
    value: float | None
    status: Status
    reason: str = ""
    readout: str | None = None


def missing(
    metric: str,
    *,
    status: Status,
    reason: str,
    unit: str = "set",
    n: int | None = None,
    readout: str | None = None,
) -> Measured:
    """A value that does not exist, and why."""
    return Measured(
        metric=metric, unit=unit, n=n, value=None, status=status, reason=one_line(reason), readout=readout
    )


def measure(
    metric: str,
    compute: Callable[[], float],
    *,
    n: int,
    unit: str = "set",
    remark: str = "",
    readout: str | None = None,
) -> Measured:
    """Call ``compute``; an undefined metric, and one that breaks, costs its own value and no other."""
    try:
        value = float(compute())
        if value != value or value in (float("inf"), float("-inf")):
            raise ArithmeticError(f"the metric gave {value}")
    except Undefined as why:
        return missing(metric, status="undefined", reason=str(why), unit=unit, n=n, readout=readout)
    except NotApplicable as why:
        return missing(metric, status="not_applicable", reason=str(why), unit=unit, n=n, readout=readout)
    except Exception as error:  # noqa: BLE001 - a metric that breaks is a result of its own row
        reason = f"{type(error).__name__}: {error}"
        return missing(metric, status="failed", reason=reason, unit=unit, n=n, readout=readout)
    return Measured(metric=metric, unit=unit, n=n, value=value, status="ok", reason=remark, readout=readout)


def one_line(text: str) -> str:
    """A reason fits on one line, and is never empty."""
    return " ".join(str(text).split()) or "no reason was given"
