"""What the corpus of a run shares with the data set it is scored on: of that very corpus, or not believed."""

from collections.abc import Mapping
from typing import Any

from contract.errors import UserError
from tasks.runs import Run, corpus_of

UNKNOWN = {"exposure": "unknown", "reason": "no overlap of its corpus with this data set was given"}


def overlap_of(run: Run, overlaps: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The overlap for the page: nothing for a run without a corpus, *unknown* where none was given.

    Raises
    ------
    UserError
        If the overlap is of other cells than the checkpoint was trained on, by their SHA-256: a corpus
        that was gathered anew under its name.
    """
    corpus = corpus_of(run.model)
    if corpus is None or run.checkpoint is None:
        return overlaps.get(corpus or "")
    found = overlaps.get(corpus)
    if found is None:
        return UNKNOWN
    trained, compared = run.checkpoint.get("inputs", {}).get("cells.h5ad"), found.get("corpus_sha256")
    if trained and compared and trained != compared:
        raise UserError(
            f"overlap of {corpus} with {run.dataset}",
            found=f"cells with SHA-256 {compared[:12]}",
            expected=f"those that {run.model} was trained on ({trained[:12]})",
            todo="run `python -m atlas overlap` again, and train again if the corpus changed",
        )
    return found
