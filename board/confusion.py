"""What the cells of each type are called, as one table a contestant."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CELLS = 4_000
"""Cells of all matrices of one table; where every contestant would take more, two stand for all."""
SHADES = 4

Calls = Mapping[str, Counter[str]]
"""True type → what its cells were called, right or wrong → cells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """One contestant's answers: a line a type, with the shares (0 to 1) of its cells called each type.

    Shares are in the order of the lines, the last that of names which no test cell has; null: no answers.
    """

    model: str
    lines: tuple[tuple[str, tuple[float, ...] | None], ...]

    @property
    def others(self) -> bool:
        """Whether any cell was called a type that no test cell has."""
        return any(shares and shares[-1] > 0 for _, shares in self.lines)


def matrix(model: str, own: Calls, types: Sequence[str]) -> Matrix:
    """Answers of one contestant over the test cells of each type."""
    return Matrix(
        model=model, lines=tuple((name, _shares(own.get(name, Counter()), types)) for name in types)
    )


def _shares(called: Counter[str], types: Sequence[str]) -> tuple[float, ...] | None:
    total = sum(called.values())
    if not total:
        return None
    known = [called[name] for name in types]
    return tuple(count / total for count in (*known, total - sum(known)))


def who(models: Sequence[str], two: Sequence[str], *, types: int) -> tuple[str, ...]:
    """Whose matrices are shown: everybody's, where they are small; else those of ``two``."""
    return tuple(models if len(models) * types**2 <= CELLS else two)


def per_cent(share: float) -> str:
    """A share as whole per cents; blank for none at all."""
    if share == 0:
        return ""
    return f"{100 * share:.0f}" if share >= 0.01 else "<1"


def shade(share: float) -> int:
    """How dark a cell is: 0 (below 1 %) to ``SHADES``; it says nothing that the number does not."""
    return 0 if share < 0.01 else min(1 + int(share * SHADES), SHADES)
