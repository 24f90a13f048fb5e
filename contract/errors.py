"""One-line errors for users.

``UserError`` is the base of everything a user can cause: a wrong key in a YAML
file, a matrix that holds no counts, a missing file. The command line prints it
as one line without a traceback; any other exception is a defect of ours and
keeps its traceback.
"""

from difflib import get_close_matches


class UserError(Exception):
    """Something the user can put right; its text is one line.

    ``where`` names file and entry, ``found`` and ``expected`` the two sides,
    ``todo`` the next step. Empty parts are left out of the sentence.
    """

    def __init__(self, where: str, *, found: str, expected: str = "", todo: str = "") -> None:
        parts = [f"{where}: found {found}"]
        if expected:
            parts.append(f"expected {expected}")
        if todo:
            parts.append(todo)
        super().__init__("; ".join(printable(part) for part in parts))

    def __reduce__(self) -> tuple:
        """Its text is all there is to send to another process."""
        return _with_text, (type(self), str(self))


def _with_text(kind: type[UserError], text: str) -> UserError:
    error = kind.__new__(kind)
    error.args = (text,)
    return error


class NotApplicable(Exception):
    """A question that does not exist here (a human model on mouse cells): a result, not a failure."""


def printable(text: str) -> str:
    """One line without control characters: what comes from outside must not command a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


def suggestion(name: str, known: list[str]) -> str:
    """Say which known name was probably meant, and list some of the others."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(sorted(known))}"
