"""Advice from stored data, where the truth about the rules was made up."""

import numpy as np
import pytest
from made_up import data_set, results, row, run, runs_of, unit_rows
from written import page_text

from board.advice import ANY_SIZE, Advised, advices
from board.evidence import weigh
from metrics.table import TABLE

MODELS = ("pca", "scvi", "hvg", "harmony")
SETS = tuple(f"set_{i:02d}" for i in range(12))


def stored(*, told_by: str, sets=SETS, gpu=None, cells=lambda i: 1000 + i, best=lambda i: "") -> object:
    """Studies whose best contestant changes; only ``told_by`` (``rogi``, ``knn`` or neither) foretells it.

    ``best`` of the number of a study is always the best there; ``cells`` are those of its data set.
    """
    rng = np.random.default_rng(0)
    rows = []
    for i, dataset in enumerate(sets):
        for model in MODELS:
            level = 0.95 if model == best(i) else float(rng.uniform(0.3, 0.9))
            where = {"task": "annotation", "dataset": dataset, "model": model}
            known = {"knn": float(rng.uniform()), "rogi": float(rng.uniform()), told_by: level}
            rogi = 1 - known["rogi"]
            rows += unit_rows([level] * 4, metric="balanced_accuracy", readout="logistic", **where)
            rows.append(row(metric="rogi_xd", unit="train", value=rogi, readout="none", **where))
            rows.append(
                row(metric="balanced_accuracy", unit="train", value=known["knn"], readout="knn", **where)
            )
    reports = [data_set(name, citation=name, n_cells=cells(i)) for i, name in enumerate(sets)]
    costs = {model: dict(run().cost) | {"peak_gpu_bytes": (gpu or {}).get(model)} for model in MODELS}
    runs = [one for name in sets for m in MODELS for one in runs_of(m, dataset=name, cost=costs[m])]
    return results(rows, models=MODELS, datasets=sets, tasks=("annotation",), runs=runs, reports=reports)


def found(study) -> tuple[dict, str]:
    told = advised(study)
    return {line.hardware: line for line in told.lines if line.size == ANY_SIZE}, told.none


def advised(study) -> Advised:
    return advices(study, weigh(study, TABLE), TABLE)


@pytest.mark.parametrize(("told_by", "rule"), [("rogi", "ROGI-XD"), ("knn", "15-NN")])
def test_the_rule_that_foretells_the_test_is_advised(told_by, rule) -> None:
    lines, why = found(stored(told_by=told_by))
    line = lines["any machine"]
    assert (line.rule, line.studies, line.cells, why) == (rule, 12, (1000, 1011), "")
    regrets = {trial.rule: trial.regret for trial in line.trials}
    assert regrets.pop(rule) == pytest.approx(0)
    assert min(regrets.values()) > 0.05
    assert {trial.rule: trial.close for trial in line.trials}[rule] == 12


def test_a_roughness_that_foretells_nothing_is_not_advised() -> None:
    lines, _ = found(stored(told_by="nothing"))
    assert lines["any machine"].rule != "ROGI-XD"


def test_the_record_of_the_study_left_out_is_not_used() -> None:
    """With scores that say nothing of each other a record that saw the answer would have less regret."""
    lines, _ = found(stored(told_by="nothing"))
    assert {t.rule: t.regret for t in lines["any machine"].trials}["record"] > 0.05


def test_nobody_is_advised_what_his_machine_cannot_run() -> None:
    lines, _ = found(stored(told_by="rogi", gpu={"scvi": 2**34, "hvg": 2**36}))
    assert lines["no GPU"].record in ("pca", "harmony")
    assert lines["one GPU of 24 GiB"].record != "hvg"


def test_nine_studies_give_no_advice_and_the_page_says_why() -> None:
    study = stored(told_by="rogi", sets=SETS[:9])
    lines, why = found(study)
    assert not lines
    assert "10 studies" in why
    assert "there are 9" in why
    assert f"No advice: {why}." in page_text(study)


def test_the_page_gives_advice_and_shows_no_training_row_as_a_value() -> None:
    text = page_text(stored(told_by="rogi"))
    assert "over whose embedding the types of the training units are least rough" in text
    assert "12 studies, 1,000 to 1,011 cells" in text
    assert "raw-annotation-set_00-inductive-knn" not in text


def test_each_number_of_cells_is_weighed_by_its_own_studies() -> None:
    """Small studies are won by one contestant, large ones by another, as was made up."""
    sets = tuple(f"set_{i:02d}" for i in range(24))
    study = stored(
        told_by="nothing",
        sets=sets,
        cells=lambda i: 4_999 if i < 11 else 50_000 if i < 22 else 5_000,
        best=lambda i: "hvg" if i < 11 else "scvi",
        gpu={"scvi": 2**30},
    )
    told = advised(study)
    lines = {(line.size, line.hardware): line for line in told.lines}
    small, large = lines["under 5,000", "any machine"], lines["50,000 and more", "any machine"]
    assert (small.studies, small.cells, small.rule, small.record) == (11, (4_999, 4_999), "record", "hvg")
    assert (large.studies, large.cells, large.rule, large.record) == (11, (50_000, 50_000), "record", "scvi")
    assert small.trials[0].regret == large.trials[0].regret == pytest.approx(0)
    assert lines["50,000 and more", "no GPU"].record != "scvi"
    assert ("5,000 to 49,999", "any machine") not in lines
    assert told.withheld == ("annotation, inductive, 5,000 to 49,999 of cells on any machine: 2",)
    text = page_text(study)
    assert "5,000 to 49,999 of cells on any machine: 2" in text
    assert "Take hvg: of all, it stayed least behind the best." in text
