"""Does a verdict hold when the embedding is whitened? If not, it is about the geometry, too."""

from dataclasses import dataclass

from board.gain import Gain
from board.text import number
from board.verdict import SHOWN_WORDS

MARK = "geometry-dependent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Whitened:
    """Gain and word of the same comparison with both sides' embeddings whitened.

    ``word`` is one of ``SHOWN_WORDS`` or, without an interval, another that is no verdict.
    """

    gain: Gain
    word: str

    def turns(self, word: str) -> bool:
        """Whether a verdict changes with the geometry; unknown, and so no, where there is none of either."""
        return word != self.word and {word, self.word} <= set(SHOWN_WORDS)


def told(found: Whitened | None, *, word: str) -> str:
    """What to say beside a verdict: nothing where it holds, or where there is no verdict to hold."""
    if found is None or word not in SHOWN_WORDS or found.word == word:
        return ""
    if not found.turns(word):
        return f"Whitened: no verdict ({found.gain.reason or 'no interval'})."
    ends = found.gain.interval
    value, low, high = (number(x, sign=True) for x in (found.gain.value, ends.low, ends.high))
    return f"Geometry-dependent: whitened it is {found.word} ({value}, {low} to {high})."
