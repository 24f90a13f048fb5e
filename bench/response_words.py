"""What a series of values says: does a score worsen while things get worse?"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from metrics.row import Metric

Word = Literal["worsens", "flat", "turns", "improves"]
SMALL = 0.02  # of the metric's range
SURE = 3.0  # standard errors


@dataclass(frozen=True, kw_only=True)
class Response:
    """Mean (L,) and standard error (L,) over seeds at each level, the change's error, and the word for it.

    ``worsens``: the score falls with the truth, as it should; ``flat``: it is blind; ``improves``: it
    lies; ``turns``: it does both.
    """

    mean: tuple[float, ...]
    error: tuple[float, ...]
    change_error: float
    word: Word

    @property
    def extreme(self) -> int | None:
        """The level at which a score that turns lies furthest beyond both ends; None for the others."""
        if self.word != "turns":
            return None
        low, high = sorted((self.mean[0], self.mean[-1]))
        return int(np.argmax([max(value - high, low - value) for value in self.mean]))


def respond(metric: Metric, values: ArrayLike) -> Response:
    """Summarise values (L levels, S seeds) of one metric, levels from right to wrong.

    A way from one level to a later one counts if the means differ by 2 % of the metric's range (of the
    largest mean where the range is infinite) and by 3 standard errors of that difference, paired over
    seeds. The word: only ways to the worse count, only ways to the better, both, or none.
    """
    table = np.asarray(values, dtype=np.float64)
    mean, n = table.mean(axis=1), table.shape[1]
    span = abs(metric.best - metric.worst)
    least = SMALL * (span if np.isfinite(span) else float(np.abs(mean).max()))
    ways = {_way(later - earlier, least) for earlier, later in combinations(table, 2)}
    better, worse = (1, -1) if metric.higher_is_better else (-1, 1)
    words: dict[tuple[bool, bool], Word] = {
        (False, False): "flat",
        (False, True): "worsens",
        (True, False): "improves",
        (True, True): "turns",
    }
    return Response(
        mean=tuple(mean.tolist()),
        error=tuple((table.std(axis=1, ddof=1) / np.sqrt(n)).tolist()),
        change_error=_error(table[-1] - table[0]),
        word=words[better in ways, worse in ways],
    )


def _way(difference: np.ndarray, least: float) -> int:
    """Return 1 for up, -1 for down, 0 for a difference (S,) too small or too unsure."""
    size = abs(float(difference.mean()))
    return int(np.sign(difference.mean())) if size >= max(least, SURE * _error(difference)) else 0


def _error(differences: np.ndarray) -> float:
    return float(differences.std(ddof=1) / np.sqrt(len(differences)))
