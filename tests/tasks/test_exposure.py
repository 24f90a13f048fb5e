import pytest

from contract.errors import UserError
from contract.outcome import Outcome
from tasks.exposure import overlap_of
from tasks.runs import Run

CLEAN = {"exposure": "none", "reason": "nothing shared", "corpus_sha256": "a" * 64}


def run_of(model, *, trained_on=None) -> Run:
    checkpoint = None if trained_on is None else {"inputs": {"cells.h5ad": trained_on}}
    facts = {
        "dataset": "toy",
        "fit": "none",
        "seed": 0,
        "control": False,
        "card": {},
        "options": {},
        "cost": {},
    }
    return Run(
        model=model, checkpoint=checkpoint, outcome=Outcome(status="ok", stage="embed"), Z=None, **facts
    )


def test_the_overlap_is_that_of_the_corpus_it_was_trained_on():
    assert overlap_of(run_of("pca@demo", trained_on="a" * 64), {"demo": CLEAN, "other": {}}) == CLEAN
    assert overlap_of(run_of("pca"), {"demo": CLEAN}) is None


def test_a_corpus_gathered_anew_is_not_believed():
    with pytest.raises(UserError, match=r"expected those that pca@demo was trained on \(bbbbbbbbbbbb\)"):
        overlap_of(run_of("pca@demo", trained_on="b" * 64), {"demo": CLEAN})


def test_without_an_overlap_the_exposure_is_unknown_not_none():
    assert overlap_of(run_of("pca@demo", trained_on="a" * 64), {})["exposure"] == "unknown"
