"""The wide parts of a page, each in a box that scrolls by itself; in a large page most are left for later."""

from collections.abc import Callable

from markupsafe import Markup

AT_ONCE = 60_000
"""Characters in boxes that a page lays out while it opens; a page with no more is whole at once."""
BOX = '<div class="scroll" role="region" tabindex="0" aria-label="{}">{}</div>'
LATER = '<div class="scroll late" role="region" tabindex="0" aria-label="{}"><noscript>{}</noscript></div>'


class Boxes:
    """The boxes of one page, in its order.

    What is left for later stands in ``<noscript>``: without script it is a table like any other; with
    script it is text, which costs next to nothing to read, until ``app.js`` makes it a table, when there
    is nothing else to do or as soon as it is asked for.
    """

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self.left = at_once

    def __call__(self, *label: str, caller: Callable[[], str]) -> Markup:
        """One box around what the template has in it; what a screen reader calls it, joined by commas."""
        text, box = Markup(caller()), BOX if self.left > 0 else LATER
        self.left -= len(text)
        return Markup(box).format(", ".join(label), text)
