"""Embedding quality on cells whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

import metrics
from tasks import integration
from tasks.cells import Cells
from tasks.integration import score_integration
from tasks.knowledge import Knowledge
from tasks.measured import Measured
from tasks.table import BATCH, BIO, TASKS

TASK = TASKS["integration"]


def values(found: list[Measured], unit: str = "set") -> dict[str, Measured]:
    chosen = [row for row in found if row.unit == unit]
    assert len({row.metric for row in chosen}) == len(chosen)
    return {row.metric: row for row in chosen}


@pytest.fixture(scope="module")
def score(knowledge: Knowledge):
    def run(Z: np.ndarray, cells: Cells, *, access="transductive", primary="silhouette_label", **how):
        return score_integration(Z, cells, access=access, primary=primary, knowledge=knowledge, **how)

    return run


@pytest.fixture(scope="module")
def whole(score, cells: Cells, embeddings) -> dict[str, dict[str, Measured]]:
    return {name: values(score(Z, cells)) for name, Z in embeddings.items()}


def test_every_metric_of_the_task_has_a_value(whole) -> None:
    assert tuple(whole["blurred"]) == TASK.metrics
    assert {row.status for row in whole["blurred"].values()} == {"ok"}
    assert {row.n for row in whole["blurred"].values()} == {360}


@pytest.mark.parametrize("metric", ["bio_conservation", *BIO, "avg_bio"])
def test_more_truth_scores_higher(whole, metric: str) -> None:
    oracle, blurred, noise = (whole[name][metric].value for name in ("oracle", "blurred", "noise"))
    assert oracle >= blurred > noise


@pytest.mark.parametrize("metric", ["rogi", "rogi_xd"])
def test_more_truth_is_smoother(whole, metric: str) -> None:
    assert whole["oracle"][metric].value < whole["noise"][metric].value


def test_distances_along_the_ontology_are_rewarded(score, cells: Cells, whole) -> None:
    code = np.array([int(name.removeprefix("type")) for name in cells.label]) + 8
    above = np.column_stack([code // 4 == 2, code // 4 == 3, *(code // 2 == k for k in range(4, 8))])
    leaves = np.eye(16)[code]
    Z = np.hstack([2.0 * above, 0.5 * leaves]) + 0.02 * np.random.default_rng(5).normal(size=(len(cells), 22))
    tree = values(score(Z, cells))
    assert tree["scgraph_ontorwr"].value > 0.5 > whole["noise"]["scgraph_ontorwr"].value
    assert tree["scgraph_ontorwr"].value > whole["oracle"]["scgraph_ontorwr"].value + 0.2


def test_permuted_labels_are_chance(score, cells: Cells, embeddings) -> None:
    order = np.random.default_rng(2).permutation(len(cells))
    shuffled = values(score(embeddings["oracle"], replace(cells, label=cells.label[order])))
    assert abs(shuffled["ari_kmeans"].value) < 0.03
    assert abs(shuffled["silhouette_label"].value - 0.5) < 0.1


def test_composites_are_means_of_their_parts(whole) -> None:
    row = {name: found.value for name, found in whole["blurred"].items()}
    assert row["bio_conservation"] == pytest.approx(np.mean([row[part] for part in BIO]))
    assert row["batch_correction"] == pytest.approx(np.mean([row[part] for part in BATCH]))
    assert row["scib_total"] == pytest.approx(0.6 * row["bio_conservation"] + 0.4 * row["batch_correction"])
    leiden = (row["nmi_leiden"], row["ari_leiden"], row["silhouette_label"])
    assert row["avg_bio"] == pytest.approx(np.mean(leiden))


def test_one_batch_leaves_mixing_undefined(score, cells: Cells, embeddings) -> None:
    found = values(score(embeddings["oracle"], replace(cells, batch=np.full(len(cells), "a", dtype=object))))
    for metric in ("bras", "ilisi", "kbet", "pcr_comparison", "batch_correction", "scib_total"):
        assert found[metric].status == "undefined"
        assert found[metric].value is None
    assert "1 batch" in found["ilisi"].reason
    assert found["batch_correction"].reason.startswith("needs bras, which is undefined: ")
    for metric in ("isolated_labels", "bio_conservation", "silhouette_label", "graph_connectivity"):
        assert found[metric].status == "ok"


def test_a_data_set_of_one_batch_has_its_jackknife(score, cells: Cells, embeddings) -> None:
    one = replace(cells, batch=np.full(len(cells), "all", dtype=object))
    found = score(embeddings["oracle"], one, primary="bio_conservation")
    left_out = [row for row in found if row.unit.startswith("without:")]
    assert len(left_out) == 6
    assert {row.status for row in left_out} == {"ok"}


def test_no_labels_leave_types_undefined(score, cells: Cells, embeddings) -> None:
    nothing = np.full(len(cells), None, dtype=object)
    found = values(score(embeddings["oracle"], replace(cells, label=nothing, ontology_id=nothing)))
    assert {name for name, row in found.items() if row.status == "ok"} == {"ilisi", "pcr_comparison"}
    assert found["silhouette_label"].reason == "no cell has a known label"
    assert found["silhouette_label"].n == 0


def test_a_constant_embedding_scores_nothing_for_types(score, cells: Cells) -> None:
    found = values(score(np.ones((len(cells), 3)), cells))
    assert found["silhouette_label"].status == "undefined"
    assert found["bio_conservation"].status == "undefined"
    assert "failed" not in {row.status for row in found.values()}


def test_unlabelled_cells_are_left_out_and_counted(score, cells: Cells, embeddings) -> None:
    gone = np.zeros(len(cells), dtype=bool)
    gone[::7] = True
    partly = replace(
        cells,
        label=np.where(gone, None, cells.label),
        ontology_id=np.where(gone, None, cells.ontology_id),
    )
    found = values(score(embeddings["blurred"], partly))
    alone = values(score(embeddings["blurred"][~gone], cells.take(~gone)))
    for metric in ("silhouette_label", "clisi", "bras", "kbet", "scgraph_ontorwr", "rogi_xd"):
        assert found[metric].n == (~gone).sum()
        assert found[metric].value == alone[metric].value
    assert found["ilisi"].n == found["pcr_comparison"].n == len(cells)
    assert found["batch_correction"].n == (~gone).sum()


def test_values_on_fewer_cells_say_so(score, cells: Cells, embeddings, monkeypatch) -> None:
    """Roughness draws from large data, and types of few cells have no place among centroids."""
    whole_sample = metrics.rogi_labels
    monkeypatch.setattr(metrics, "rogi_labels", lambda Z, labels: whole_sample(Z, labels, max_cells=100))
    small = np.flatnonzero(cells.label == "type0")[9:]
    kept = ~np.isin(np.arange(len(cells)), small)
    found = values(score(embeddings["oracle"][kept], cells.take(kept)))
    n = int(kept.sum())
    assert (found["rogi_xd"].n, found["silhouette_label"].n) == (100, n)
    assert found["rogi_xd"].reason.startswith(
        f"mean of draws of 100 of {n} cells, types in proportion; standard"
    )
    assert found["scgraph_ontorwr"].n == n - 9
    assert "left out for too few cells: 1 type" in found["scgraph_ontorwr"].reason


def test_a_composite_says_which_of_its_parts_bear_remarks(score, cells, embeddings, monkeypatch) -> None:
    told = replace(integration.MEASURES["clisi"], remark=lambda view: "made up")
    monkeypatch.setitem(integration.MEASURES, "clisi", told)
    found = values(score(embeddings["blurred"], cells))
    assert found["bio_conservation"].reason == "as its parts have it: clisi"
    assert found["scib_total"].reason == "as its parts have it: bio_conservation"
    assert found["avg_bio"].reason == ""


def test_inductive_embeddings_are_measured_on_test_cells_alone(score, cells: Cells, embeddings) -> None:
    test = cells.part == "test"
    other = np.where(test[:, None], embeddings["blurred"], 77.0)
    found = values(score(other, cells, access="inductive"))
    alone = values(score(embeddings["blurred"][test], cells.take(test)))
    whole = {row.n for row in found.values() if not row.metric.startswith("scgraph")}
    assert whole == {int(test.sum())}
    assert found == alone


def test_jackknife_is_the_value_without_a_unit(score, cells: Cells, embeddings) -> None:
    rows = score(embeddings["blurred"], cells, primary="bio_conservation")
    left_out = [row for row in rows if row.unit != "set"]
    assert [row.unit for row in left_out] == [f"without:donor:d{i}" for i in range(6)]
    assert {row.metric for row in left_out} == {"bio_conservation"}
    rest = cells.unit != "donor:d3"
    rows = score(embeddings["blurred"], cells, primary="silhouette_label")
    alone = values(score(embeddings["blurred"][rest], cells.take(rest)))["silhouette_label"]
    (found,) = values(rows, "without:donor:d3").values()
    assert (found.value, found.n) == (alone.value, int(rest.sum()))


def test_a_left_out_unit_starts_where_the_whole_set_ended(score, cells: Cells, embeddings) -> None:
    """A jackknife counts its values' differences n - 1 times: chance of its own is none of them."""
    Z, label, rest = embeddings["noise"], cells.label.astype(str), cells.unit != "donor:d3"
    centers = metrics.kmeans_agreement(Z, label).centers
    expected = metrics.kmeans_agreement(Z[rest], label[rest], centers=centers).nmi
    (found,) = values(score(Z, cells, primary="nmi_kmeans"), "without:donor:d3").values()
    assert found.value == expected != metrics.kmeans_agreement(Z[rest], label[rest]).nmi


def test_cells_of_unknown_units_are_not_scored(score, cells: Cells, embeddings) -> None:
    """No unit's leaving out would take them away, so the jackknife would not see that they vary."""
    excluded = cells.unit == "donor:d5"
    partly = replace(
        cells, unit=np.where(excluded, None, cells.unit), part=np.where(excluded, "excluded", cells.part)
    )
    assert score(embeddings["blurred"], partly) == score(
        embeddings["blurred"][~excluded], cells.take(~excluded)
    )


def test_a_sample_of_the_cells_is_the_same_for_everyone(score, cells: Cells, embeddings) -> None:
    few = values(score(embeddings["blurred"], cells, primary="silhouette_label", primary_only=True, most=90))
    assert few["silhouette_label"].n == 90
    rows = np.sort(np.random.default_rng(0).choice(len(cells), 90, replace=False))
    alone = values(score(embeddings["blurred"][rows], cells.take(rows)))
    assert few["silhouette_label"].value == alone["silhouette_label"].value
    all_of_them = values(score(embeddings["blurred"], cells, most=len(cells)))
    assert all_of_them["silhouette_label"].n == len(cells)


def test_one_unit_has_no_jackknife(score, cells: Cells, embeddings) -> None:
    one = cells.unit == "donor:d4"
    assert {row.unit for row in score(embeddings["blurred"][one], cells.take(one))} == {"set"}


def test_a_broken_metric_costs_its_own_value(score, cells: Cells, embeddings, monkeypatch) -> None:
    def broken(*args: object, **kwargs: object) -> float:
        raise ZeroDivisionError("of\nno use")

    monkeypatch.setattr(metrics, "clisi", broken, raising=False)
    found = values(score(embeddings["blurred"], cells))
    assert (found["clisi"].status, found["clisi"].reason) == ("failed", "ZeroDivisionError: of no use")
    assert found["bio_conservation"].reason.startswith("needs clisi, which is failed")
    assert found["nmi_kmeans"].status == "ok"
    assert found["batch_correction"].status == "ok"


def test_nan_is_never_a_value(score, cells: Cells, embeddings, monkeypatch) -> None:
    monkeypatch.setattr(metrics, "ilisi", lambda *args: float("nan"), raising=False)
    found = values(score(embeddings["blurred"], cells))["ilisi"]
    assert (found.status, found.value) == ("failed", None)


def test_every_metric_has_a_way_to_be_measured() -> None:
    assert set(integration.MEASURES) | set(integration.COMBINE) == set(TASK.metrics)
    assert set(integration.COMBINE) == set(TASK.composites)
    assert set(TASK.metrics) <= set(metrics.TABLE)
