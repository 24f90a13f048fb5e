"""Who shares the error rate: settled by declarations and by the split, never by an outcome."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import (
    MODELS,
    PER_UNIT,
    TWO,
    UNITS,
    data_set,
    results,
    row,
    run,
    runs_of,
    unit_rows,
    whole_study,
)

from board.evidence import weigh
from metrics.table import TABLE
from tasks.study import Family, Primary

THREE = ("blood", "lung", "liver")


def made(rows=None, **changes):
    datasets = changes.get("datasets", ("blood",))
    return results(whole_study(datasets=datasets) if rows is None else rows, **changes)


def sizes(study) -> tuple[int, int]:
    found = weigh(study, TABLE)
    return found.real.size, found.simulated.size


def test_contestants_times_tasks_controls_and_the_reference_apart() -> None:
    found = weigh(made(), TABLE)
    assert found.family == 2 * 2  # scvi and geneformer@demo, at two tasks
    assert found.level == pytest.approx(1 - 0.05 / 4)
    assert {c.gain.interval.level for c in found.comparisons if c.gain.interval} == {found.level}
    assert {c.model for c in found.comparisons if c.in_family} == {"scvi", "geneformer@demo"}


def test_every_access_counts() -> None:
    both = [one for model in MODELS for one in runs_of(model)]
    both += [run(model="scvi", fit="all"), run(model="pca", fit="all")]
    assert sizes(made(runs=both)) == (2 * 3, 0)
    lonely = [one for one in both if not (one.model == "pca" and one.fit == "all")]
    rows = [
        *whole_study(),
        *unit_rows(np.linspace(0, 1, 6), model="scvi", **{**PER_UNIT, "access": "transductive"}),
    ]
    assert sizes(made(rows, runs=lonely)) == (2 * 2, 0)  # no reference to compare with
    shown = [c for c in weigh(made(rows, runs=lonely), TABLE).comparisons if c.access == "transductive"]
    assert {c.task: c.word for c in shown if c.model == "scvi"} == {
        "integration": "not run",
        "annotation": "no verdict",
    }


@pytest.mark.parametrize(
    ("report", "left"),
    [
        ({"units": "none"}, 4),
        ({"units_by_part": {"train": UNITS[3:], "test": UNITS[:3]}}, 4),
        ({"tasks": ["integration"]}, 6),
        ({}, 8),
    ],
)
def test_what_a_data_set_declares_leaves_comparisons_out(report, left) -> None:
    entries = [data_set("blood"), data_set("lung", **report)]
    assert sizes(made(datasets=("blood", "lung"), reports=entries)) == (left, 0)


def test_a_transductive_embedding_is_measured_on_the_units_of_both_parts() -> None:
    """So three test units are enough there, but not for naming types, which is done on test cells."""
    entry = [data_set(units_by_part={"train": UNITS[3:6], "test": UNITS[:3]})]
    runs = [run(model=model, fit="all") for model in TWO]
    assert sizes(made(runs=runs, models=TWO, reports=entry)) == (1, 0)


def test_nobody_outside_the_family_gets_a_word() -> None:
    """Not even where rows of more units turn up than the split has."""
    entry = [data_set(units_by_part={"train": UNITS[3:], "test": UNITS[:3]})]
    found = weigh(made(reports=entry), TABLE)
    assert {c.word for c in found.comparisons if not c.control} == {"too few units"}


def test_a_data_set_that_was_refused_costs_nothing() -> None:
    refused = replace(
        data_set("lung"), outcome={"status": "failed", "stage": "prepare", "reason": "no counts"}
    )
    study = made(datasets=("blood", "lung"), reports=[data_set("blood"), refused])
    assert sizes(study) == (4, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"exposure": "study_shared"},
        {"card": {"saw": ["pretraining"], "pretrained_on": None}, "exposure": None},
    ],
)
def test_who_saw_the_data_costs_nothing(change) -> None:
    exposure = change.pop("exposure")
    runs = [one for model in MODELS for one in runs_of(model, exposure=exposure)]
    runs = [replace(one, **change) if one.model == "geneformer@demo" else one for one in runs]
    assert sizes(made(runs=runs)) == (2, 0)


def test_self_referential_comparisons_cost_nothing() -> None:
    metric = next(m for m in TABLE.values() if m.reference_space == "pca" and m.task == "integration")
    primary = {"integration": Primary(metric=metric.name, readout=None, margin=0.02)}
    assert sizes(made(tasks=("integration",), primary=primary)) == (0, 0)


def test_self_tests_have_an_error_rate_of_their_own() -> None:
    entries = [data_set("blood"), data_set("lung", label_source="simulated")]
    found = weigh(made(datasets=("blood", "lung"), reports=entries), TABLE)
    assert (found.real.size, found.simulated.size) == (4, 4)
    assert weigh(made(), TABLE).level == found.level


def test_the_declared_family_is_judged_and_the_rest_is_exploratory() -> None:
    family = Family(tasks=frozenset({"annotation"}), models=frozenset({"geneformer@demo"}))
    found = weigh(made(family=family), TABLE)
    assert found.family == 1
    assert found.level == pytest.approx(0.95)
    words = {(c.task, c.model): c.word for c in found.comparisons if not c.control}
    assert words.pop(("annotation", "geneformer@demo")) == "worse"
    assert set(words.values()) == {"exploratory"}
    assert all(c.gain.interval for c in found.comparisons)


@pytest.mark.parametrize("part", [{"datasets": frozenset({"lung"})}, {"access": frozenset({"transductive"})}])
def test_a_family_may_name_data_sets_and_access(part) -> None:
    assert sizes(made(datasets=("blood", "lung"), family=Family(**part)))[0] == (
        4 if "datasets" in part else 0
    )


def outcomes(rng: np.random.Generator):
    """A study whose scores, failures and blanks are dice; what it declares is always the same."""
    rows = whole_study(datasets=THREE)
    for one in rows:
        fate = rng.uniform()
        if fate < 0.3:
            status = rng.choice(["failed", "undefined", "not_applicable"])
            one |= {"value": None, "status": str(status), "reason": "dice"}
        else:
            one["value"] = float(rng.uniform())
    dead = {"status": "failed", "stage": "embed", "reason": "dice", "log_tail": ""}
    runs = [one for name in THREE for model in MODELS for one in runs_of(model, dataset=name)]
    runs = [replace(one, outcome=dead) if rng.uniform() < 0.3 else one for one in runs]
    return made(
        [one for one in rows if one["model"] != "scvi" or rng.uniform() < 0.8], runs=runs, datasets=THREE
    )


def test_no_outcome_changes_the_family() -> None:
    rng = np.random.default_rng(0)
    assert {sizes(outcomes(rng)) for _ in range(20)} == {(12, 0)}


def test_what_was_never_run_is_in_the_family_and_said() -> None:
    rows = [one for one in whole_study() if one["model"] != "scvi"]
    runs = [one for model in MODELS if model != "scvi" for one in runs_of(model)]
    found = weigh(made(rows, runs=runs), TABLE)
    assert found.family == 4
    assert {c.word for c in found.comparisons if c.model == "scvi"} == {"not run"}


def test_no_filter_changes_word_or_interval() -> None:
    """What is seen of the rows of other metrics, readouts and units makes no difference."""
    rows = whole_study()
    more = rows + unit_rows(np.linspace(0, 1, 6), model="scvi", **{**PER_UNIT, "metric": "kappa"})
    more.append(row(metric="ilisi", value=0.5))
    assert weigh(made(rows), TABLE).comparisons == weigh(made(more), TABLE).comparisons
