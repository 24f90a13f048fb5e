"""Raw values, the order of controls, coverage and costs."""

import pytest
from made_up import MODELS, data_set, results, row, run, runs_of, whole_study

from board.costs import costs, spent, unit_cost
from board.coverage import coverage
from board.facts import dataset_facts, profiles
from board.raw import cell, check_controls, sheets
from board.rawview import grids
from board.text import ranged
from metrics.table import TABLE, Metric
from tasks.table import TASKS

ORDER = {name: task.metrics for name, task in TASKS.items()}


def found(*rows):
    return [(r["value"], r["status"], r["reason"]) for r in rows]


def test_cell_is_mean_and_sd_over_trainings() -> None:
    told = cell(found(row(value=0.4, fit_seed=0), row(value=0.6, fit_seed=1)))
    assert told.mean == pytest.approx(0.5)
    assert told.sd == pytest.approx(0.02**0.5)
    assert (told.trainings, told.missing, told.reason) == (2, 0, "")


def test_one_training_has_no_spread() -> None:
    assert cell(found(row(value=0.4))).sd is None


def test_a_missing_value_stays_missing() -> None:
    told = cell(found(row(status="undefined", reason="one batch")))
    assert told.mean is None
    assert (told.status, told.reason) == ("undefined", "one batch")


def test_a_failed_training_is_not_averaged_as_zero() -> None:
    told = cell(found(row(value=0.4), row(fit_seed=1, status="failed", reason="boom")))
    assert told.mean == pytest.approx(0.4)
    assert (told.trainings, told.missing) == (1, 1)


def metric(order, *, best=1.0) -> Metric:
    return Metric(
        name="x", title="x", task="integration", best=best, worst=1 - best, about="", control_order=order
    )


@pytest.mark.parametrize(
    ("order", "means", "state"),
    [
        (("oracle", "noise"), {"oracle": 0.9, "noise": 0.1}, "in order"),
        (("oracle", "noise"), {"oracle": 0.5, "noise": 0.5}, "tied"),
        (("oracle", "pca", "noise"), {"oracle": 0.5, "pca": 0.5, "noise": 0.1}, "in order"),
        (("oracle", "noise"), {"oracle": 0.1, "noise": 0.9}, "out of order"),
        (("oracle", "pca", "noise"), {"oracle": 0.9, "pca": 0.1, "noise": 0.2}, "out of order"),
        (("oracle", "noise"), {"oracle": 0.9}, "not checked"),
        (("oracle", "pca", "noise"), {"oracle": 0.9, "noise": 0.2}, "in order"),
        (None, {"oracle": 0.1, "noise": 0.9}, "no order expected"),
    ],
)
def test_control_order(order, means, state) -> None:
    assert check_controls(metric(order), means).state == state


def test_control_order_where_less_is_better() -> None:
    means = {"oracle": 0.1, "noise": 0.9}
    assert check_controls(metric(("oracle", "noise"), best=0.0), means).state == "in order"


def test_control_out_of_order_is_named() -> None:
    found = check_controls(metric(("oracle", "noise")), {"oracle": 0.1, "noise": 0.9})
    assert found.detail == "noise (0.900) beats oracle (0.100)"


def test_sheets_hold_each_access_and_readout_apart() -> None:
    found = sheets(results(whole_study()), metric_order=ORDER)
    keys = [(s.task, s.access, s.readout) for s in found]
    assert ("annotation", "inductive", "knn") in keys
    assert ("annotation", "transductive", "logistic") in keys
    assert keys == sorted(keys, key=lambda key: (["integration", "annotation"].index(key[0]), *key[1:]))
    assert found[0].metrics[:2] == ("bio_conservation", "batch_correction")


def test_grids_bracket_with_controls_and_number_their_notes() -> None:
    rows = [*whole_study(), row(metric="clisi", value=0.5, reason="3 cells without a label left out")]
    grid = grids(results(rows), TABLE, ORDER)[0]
    assert [model for model, _ in grid.above] == ["oracle"]
    assert [model for model, _ in grid.below] == ["noise"]
    assert [model for model, _ in grid.between] == ["pca", "scvi", "geneformer@demo"]
    assert grid.notes == (
        "controls on cLISI: no value of oracle, noise",
        "controls on kBET: no value of noise, batch_only",
        "undefined: one batch only",
        "3 cells without a label left out",
    )
    kbet = grid.sheet.metrics.index("kbet")
    assert all(boxes[kbet].notes == (3,) for _, boxes in grid.between)
    clisi = grid.sheet.metrics.index("clisi")
    assert dict(grid.between)["pca"][clisi].notes == (4,)
    assert dict(grid.between)["scvi"][clisi].text == "not run"


def test_a_remark_stands_beside_its_value_or_once_at_the_head_of_the_column() -> None:
    rows = [r for r in whole_study() if r["metric"] != "clisi"]
    for place, model in enumerate(MODELS):
        said = f"on 100 of 400 cells, types in proportion; standard error 0.00{place + 1}"
        rows.append(row(model=model, metric="silhouette_label", value=0.5, reason=said))
        rows.append(
            row(model=model, metric="clisi", value=0.5, reason="approximate neighbours, 95.1% of them")
        )
    grid = grids(results(rows), TABLE, ORDER)[0]
    column = {head.name: head for head in grid.heads}
    assert column["silhouette_label"].remark is None
    assert grid.notes[column["clisi"].remark - 1] == "clisi: approximate neighbours, 95.1% of them"
    where = {name: grid.sheet.metrics.index(name) for name in ("silhouette_label", "clisi")}
    lines = dict(grid.above + grid.between + grid.below)
    beside = {grid.notes[boxes[where["silhouette_label"]].notes[0] - 1] for boxes in lines.values()}
    assert len(beside) == len(MODELS)
    assert all(boxes[where["clisi"]].notes == () for boxes in lines.values())


def test_remarks_of_several_trainings_are_told_as_ranges() -> None:
    said = [f"on 100 of 400 cells; standard error {error}" for error in ("0.012", "0.0031", "1.5e-05")]
    told = cell(found(*(row(value=0.5, fit_seed=i, reason=text) for i, text in enumerate(said))))
    assert told.remark == "on 100 of 400 cells; standard error 1.5e-05 to 0.012"
    assert ranged(["2 types", "", "one batch", "11 types", "2 types"]) == "2 to 11 types; one batch"
    assert ranged([]) == ""


def test_coverage_counts_each_status_and_says_why() -> None:
    found = {entry.model: entry for entry in coverage(results(whole_study()))}
    assert found["pca"].counts == (6, 1, 0, 0)
    assert found["pca"].reasons == ("undefined: one batch only (kbet)",)
    assert found["pca"].runs == "1 of 1"


def test_coverage_tells_what_was_not_run() -> None:
    runs = [one for model in MODELS if model != "scvi" for one in runs_of(model)]
    rows = whole_study(models=tuple(m for m in MODELS if m != "scvi"))
    found = {entry.model: entry for entry in coverage(results(rows, runs=runs))}
    assert found["scvi"].reasons == ("not run",)
    assert found["scvi"].counts == (0, 0, 0, 0)


def test_coverage_tells_a_failed_run_once() -> None:
    failed = run(outcome={"status": "failed", "stage": "embed", "reason": "boom", "log_tail": ""})
    rows = [row(metric=name, status="failed", reason="embed: boom") for name in ("kbet", "ilisi")]
    found = coverage(results(rows, runs=[failed], models=("pca",)))[0]
    log = f"results/logs/embed/{failed.dataset}/pca/fit-train/seed-0.log"
    assert found.reasons == (f"run (fit train, seed 0) failed at embed: boom (log: {log})",)
    assert found.counts == (0, 0, 0, 2)


def test_costs_are_means_of_runs_that_worked() -> None:
    slow = dict(run().cost) | {"seconds_per_10k_cells": 7.5, "peak_rss_bytes": 2**30}
    bad = run(seed=2, outcome={"status": "failed", "stage": "embed", "reason": "x", "log_tail": ""}, cost={})
    runs = [run(), run(seed=1, cost=slow), bad]
    assert unit_cost(runs) == pytest.approx(5.0)
    found = costs(results([], runs=runs))[0]
    assert [amount.text for amount in found.amounts] == ["–", "1 s", "0.5 s", "5 s", "1.00 GiB", "–"]


def test_dates_and_machines_of_runs_are_told() -> None:
    def made(day, cores):
        return dict(run().cost) | {
            "date": f"2026-11-{day} 10:00 UTC",
            "machine": f"Linux x86_64, {cores} cores",
        }

    found = costs(results([], runs=[run(cost=made(21, 2)), run(seed=1, cost=made(19, 8))]))[0]
    assert found.date == "2026-11-19 10:00 UTC to 2026-11-21 10:00 UTC"
    assert found.device == "cpu; Linux x86_64, 2 cores; Linux x86_64, 8 cores"
    assert costs(results([], runs=[run()]))[0].date == "–", "older records have none"


def test_what_a_data_set_costs_is_fitting_too() -> None:
    """Harmony does all its work while it is fitted, and then embeds in no time."""
    lazy = dict(run().cost) | {"seconds": {"pretrain": None, "fit": 9.0, "embed": 0.001}}
    frozen = dict(run().cost) | {"seconds": {"pretrain": 60.0, "fit": None, "embed": 2.0}}
    assert spent([run(cost=lazy)]) == pytest.approx(9.001)
    assert spent([run(cost=frozen)]) == pytest.approx(2.0)
    assert spent([run(cost={})]) is None


def test_undisclosed_is_not_nothing() -> None:
    card = dict(run().card)
    told = [run(card=card), run(model="scvi", card=card | {"pretrained_on": None})]
    found = {p.name: dict(p.facts) for p in profiles(results([], runs=told, models=("pca", "scvi", "hvg")))}
    assert found["pca"]["pre-trained on"] == "nothing"
    assert found["scvi"]["pre-trained on"] == "not disclosed"
    assert found["hvg"] == {"card": "no run left one"}


def test_a_random_start_is_not_said_to_be_pretrained() -> None:
    card = dict(run().card) | {"pretrained_on": ["blood"], "saw": ["counts"]}
    facts = dict(profiles(results([], runs=[run(card=card)], models=("pca",)))[0].facts)
    assert facts["vocabulary from"] == "blood"
    assert "pre-trained on" not in facts


def test_data_set_facts_keep_everything_that_was_reported() -> None:
    facts = dict(dataset_facts(data_set(types={"T cell": 3}, replaced=[], source_known=True)))
    assert facts["types"] == "T cell: 3"
    assert facts["replaced"] == "none"
    assert facts["source known"] == "yes"
    assert facts["n cells"] == "800"


def test_what_runs_read_and_were_made_with_is_told() -> None:
    made = {"inputs": {"cells.h5ad": "a1", "split.parquet": "b2", "x.npz": "c3"}, "versions": {"numpy": "2"}}
    other = {"inputs": {"cells.h5ad": "a9"}, "versions": {"numpy": "1", "torch": "3"}}
    facts = dict(dataset_facts(data_set(), [run(made=made), run(seed=1, made=other)]))
    assert facts["cells.h5ad"] == "SHA-256 a1, a9"
    assert facts["split.parquet"] == "SHA-256 b2"
    assert "x.npz" not in facts
    told = profiles(results([], runs=[run(made=made), run(seed=1, checkpoint=other)], models=("pca",)))
    assert dict(told[0].facts)["made with"] == "numpy 1 and 2, torch 3"


def test_every_metric_of_every_task_is_in_the_table() -> None:
    assert {name for task in TASKS.values() for name in task.metrics} <= set(TABLE)


def test_weights_are_named_by_their_hash() -> None:
    """Two trainings are two sets of weights; a vocabulary is none."""
    state = {"weights.safetensors": "a" * 64, "vocabulary.json": "b" * 64}
    runs = runs_of("geneformer@demo", seeds=(0, 1), checkpoint={"state": state})
    facts = dict(profiles(results(whole_study(), runs=runs, models=("pca", "geneformer@demo")))[1].facts)
    assert facts["weights of seed 1"] == f"SHA-256 {'a' * 64}"
    assert "b" * 64 not in str(facts)
