"""Whoever reads on the page that a run failed finds its log: the page says where the workflow put it."""

import dataclasses
import re
from pathlib import Path

import pytest

from board.coverage import _log
from board.results import Run

RULES = Path(__file__).resolve().parents[2] / "workflow" / "rules"


def failed(stage: str) -> Run:
    return Run(
        dataset="blood",
        model="pca@demo",
        fit="none",
        seed=3,
        control=False,
        outcome={"status": "failed", "stage": stage, "reason": "x"},
        card={},
        options={},
        cost={},
        checkpoint=None,
        overlap=None,
    )


@pytest.mark.parametrize("stage", ["fetch", "prepare", "pretrain", "embed", "folds", "predict"])
def test_the_page_names_the_log_of_the_rule(stage: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in RULES.glob("*.smk"))
    (pattern,) = re.findall(rf'"(results/logs/{stage}/\S+\.log)"', text)
    words = {"study": "mine", "dataset": "blood", "fit": "none", "seed": "3"}
    words |= {"model": "pca", "corpus": "demo"} if stage == "pretrain" else {"model": "pca@demo"}
    assert _log(failed(stage), study="mine") == f" (log: {pattern.format(**words)})"


def test_what_went_well_and_what_has_no_log_of_its_own_name_none() -> None:
    assert _log(failed("score"), study="mine") == ""
    fine = dataclasses.replace(failed("embed"), outcome={"status": "ok", "stage": "embed", "reason": ""})
    assert _log(fine, study="mine") == ""
