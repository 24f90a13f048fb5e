"""Running scib-metrics: what is refused, and each fault of it that docs/parity.md names, beside ours."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scib_metrics as peer
from scib_metrics.utils import KMeans, principal_component_regression

import metrics
from contract.errors import UserError
from metrics import Undefined, neighbors
from metrics.acceptance import kbet_per_label
from metrics.mixing import explained_by
from metrics.peer import as_results, scib_metrics

pytestmark = pytest.mark.slow

VECTORS = Path(__file__).parents[1] / "vectors" / "scib_metrics.json"
OF_BATCHES = {"bras", "ilisi", "kbet", "pcr_comparison"}


def main_vector() -> tuple[np.ndarray, ...]:
    """150 cells with small types: X, X_pre, labels, batch."""
    content = json.loads(VECTORS.read_text(encoding="utf-8"))
    given = next(case["inputs"] for case in content["vectors"] if case["name"] == "main_150x5")
    return tuple(np.array(given[key]) for key in ("X", "X_pre", "labels", "batch"))


@pytest.fixture(scope="module")
def given() -> tuple[np.ndarray, ...]:
    return main_vector()


def missing(scores: dict[str, float]) -> set[str]:
    return {name for name, value in scores.items() if np.isnan(value)}


# What is refused, so that the original does not answer what has no answer.


def test_one_batch_leaves_what_needs_no_batches(given: tuple) -> None:
    Z, before, labels, _ = given
    found = scib_metrics(Z, labels, np.full(len(Z), "p"), reference=before, nearest=neighbors(Z))
    assert missing(found) == OF_BATCHES | {"batch_correction", "scib_total"}


def test_one_type_leaves_what_needs_no_types(given: tuple) -> None:
    Z, before, _, batch = given
    found = scib_metrics(Z, np.full(len(Z), "a"), batch, reference=before, nearest=neighbors(Z))
    assert found.keys() - missing(found) == OF_BATCHES


def test_without_a_reference_there_is_no_pcr(given: tuple) -> None:
    Z, _, labels, batch = given
    found = scib_metrics(Z, labels, batch, nearest=neighbors(Z))
    assert missing(found) == {"pcr_comparison", "batch_correction", "scib_total"}


def test_what_has_no_answer_at_all(given: tuple) -> None:
    Z, _, labels, batch = given
    with pytest.raises(Undefined, match="one point"):
        scib_metrics(np.ones_like(Z), labels, batch)
    with pytest.raises(Undefined, match="1 of 150 cells have NaN"):
        scib_metrics(np.where(np.arange(len(Z))[:, None] == 3, np.nan, Z), labels, batch)
    with pytest.raises(ValueError, match="20 of 150 cells have no label"):
        scib_metrics(Z, np.where(np.arange(len(Z)) < 20, None, labels), batch)


def test_not_installed(given: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    Z, _, labels, batch = given
    monkeypatch.setitem(sys.modules, "scib_metrics", None)
    with pytest.raises(UserError, match="found no module 'scib_metrics'; expected scib-metrics"):
        scib_metrics(Z, labels, batch)


# The faults, each beside ours.


def test_kbet_depends_on_the_order_of_labels(given: tuple) -> None:
    """A small type cuts the diffusion components of all that come after it."""
    Z, _, labels, batch = given
    near = neighbors(Z, 49)
    renamed = np.where(labels == "a", "z", labels)
    theirs = [peer.kbet_per_label(as_results(near), batch, names) for names in (labels, renamed)]
    assert abs(theirs[0] - theirs[1]) > 1e-3
    ours = [metrics.kbet(near, names, batch) for names in (labels, renamed)]
    assert ours[0] == pytest.approx(ours[1], abs=1e-12)


def test_kbet_finds_neighbours_across_islands() -> None:
    """Two islands, one batch each: every neighbourhood is of one batch, and nothing is accepted."""
    random = np.random.default_rng(0)
    island = np.arange(600) < 300
    Z = random.normal(size=(600, 5)) + 60 * island[:, None] * np.eye(5)[0]
    labels, batch = np.array(["a", "b"])[np.arange(600) % 2], np.where(island, "p", "q")
    near = neighbors(Z, 49)
    assert peer.kbet_per_label(as_results(near), batch, labels) > 0.01
    assert metrics.kbet(near, labels, batch) == 0


def test_cells_without_a_batch_set_kbet_to_zero(given: tuple) -> None:
    """They count as the first batch, and as one more that nobody expects: 0/0, and no test is passed."""
    Z, _, _, batch = given
    near = neighbors(Z, 49)
    some = np.where(np.arange(len(Z)) < 5, None, batch)
    assert peer.kbet(as_results(near), some)[0] == 0.0
    assert peer.kbet(as_results(near), batch)[0] > 0.1
    with pytest.raises(ValueError, match="5 of 150 cells have no batch"):
        metrics.kbet(near, batch, some)


def test_one_type_scores(given: tuple) -> None:
    """k-means is perfect, the graph connected and the silhouette at its chance level."""
    Z = given[0]
    one, near = np.full(len(Z), "a"), neighbors(Z)
    assert peer.nmi_ari_cluster_labels_kmeans(Z, one) == {"nmi": 1.0, "ari": 1.0}
    assert peer.silhouette_label(Z, one) == 0.5
    assert peer.graph_connectivity(as_results(near.take(14)), one) > 0.5
    for ours in (
        lambda: metrics.nmi_ari_kmeans(Z, one),
        lambda: metrics.silhouette_label(Z, one),
        lambda: metrics.graph_connectivity(near, one),
    ):
        with pytest.raises(Undefined, match="1 label"):
            ours()


def test_one_batch_scores(given: tuple) -> None:
    """PCR comparison is a ratio of rounding errors, which changes with the unit of measurement."""
    Z, before, labels, _ = given
    one, near = np.full(len(Z), "p"), neighbors(Z)
    noise = {
        round(float(peer.pcr_comparison(before * s, Z, one, categorical=True)), 3) for s in (1, 3, 10, 30)
    }
    assert len(noise) > 1
    assert peer.kbet(as_results(near), one)[0] == 0.0
    with pytest.raises(Undefined, match="1 batch"):
        metrics.pcr_comparison(before, Z, one)
    with pytest.raises(Undefined, match="1 batch"):
        metrics.kbet(near, labels, one)


def test_a_collapsed_embedding_scores(given: tuple) -> None:
    """All cells on one point: batches perfectly mixed, types at chance."""
    Z, _, labels, batch = given
    assert peer.bras(np.ones_like(Z), labels, batch) == 1.0
    assert peer.silhouette_label(np.ones_like(Z), labels) == 0.5
    for ours in (metrics.bras, metrics.isolated_labels):
        with pytest.raises(Undefined, match="one point"):
            ours(np.ones_like(Z), labels, batch)


def test_a_cell_without_coordinates_hides_all(given: tuple) -> None:
    """One NaN sets every silhouette to 0."""
    Z, _, labels, _ = given
    broken = np.where(np.arange(len(Z))[:, None] == 0, np.nan, Z)
    assert peer.silhouette_label(broken, labels) == 0.5
    with pytest.raises(Undefined, match="NaN"):
        metrics.silhouette_label(broken, labels)


def test_a_cell_at_the_origin_mixes_its_batch() -> None:
    """It has no direction; the cosine silhouettes of its whole batch become 0, that is perfect mixing."""
    random = np.random.default_rng(0)
    batch, labels = np.repeat(["p", "q"], 40), np.full(80, "a")
    Z = 0.3 * random.normal(size=(80, 3)) + np.where(batch == "p", 1, -1)[:, None]
    origin = np.where(np.arange(80)[:, None] == 0, 0.0, Z)
    apart = metrics.bras(Z, labels, batch)
    assert apart < 0.05
    assert peer.bras(Z, labels, batch) == pytest.approx(apart, abs=1e-5)
    assert peer.bras(origin, labels, batch) >= 0.5
    with pytest.raises(Undefined, match="origin"):
        metrics.bras(origin, labels, batch)


def test_unlabelled_cells_join_the_first_type(given: tuple) -> None:
    Z, _, labels, _ = given
    nameless = np.arange(len(Z)) < 20
    some = np.where(nameless, None, labels)
    labelled = peer.silhouette_label(Z[~nameless], labels[~nameless])
    assert abs(peer.silhouette_label(Z, some) - labelled) > 0.01
    assert metrics.silhouette_label(Z[~nameless], labels[~nameless]) == pytest.approx(labelled, abs=1e-5)
    with pytest.raises(ValueError, match="20 of 150 cells have no label"):
        metrics.silhouette_label(Z, some)


def test_pcr_is_nan_with_a_constant_dimension(given: tuple) -> None:
    """As a latent dimension that a model never used."""
    Z, before, _, batch = given
    wider = np.hstack([Z, np.zeros((len(Z), 1))])
    assert np.isnan(peer.pcr_comparison(before, wider, batch, categorical=True))
    plain = metrics.pcr_comparison(before, Z, batch)
    assert metrics.pcr_comparison(before, wider, batch) == pytest.approx(plain)
    assert peer.pcr_comparison(before, Z, batch, categorical=True) == pytest.approx(plain, abs=1e-5)


def test_pcr_overlooks_small_batches_of_large_sets() -> None:
    """The least squares drop directions below 1.2e-7 N of the largest: here the one batch that differs."""
    random = np.random.default_rng(0)
    batch = np.repeat(["a", "b", "c"], [199_900, 199_900, 200])
    Z = random.normal(size=(len(batch), 2)) + 100 * (batch == "c")[:, None] * np.array([1, 0])
    means = np.array([Z[batch == name].mean(axis=0) for name in "abc"])
    between = np.square(means - Z.mean(axis=0)).sum(axis=1) @ [199_900, 199_900, 200]
    by_definition = between / np.square(Z - Z.mean(axis=0)).sum()
    assert principal_component_regression(Z, batch, categorical=True) < 0.01
    assert by_definition > 0.5
    assert explained_by(Z, batch) == pytest.approx(by_definition)


def test_lisi_of_cells_far_from_all_others() -> None:
    """exp(-β d) underflows before the perplexity is reached; only differences of distances matter."""
    random = np.random.default_rng(0)
    cloud, batch = random.normal(size=(300, 6)), random.integers(0, 3, 301)
    near = neighbors(np.vstack([cloud, cloud[:1] + 1000]))
    beyond, own = near.distances[-1] - near.distances[-1, 0], batch[near.indices[-1]]
    low, high = 1e-6, 1e3
    for _ in range(200):
        beta = (low + high) / 2
        p = np.exp(-beta * beyond)
        p /= p.sum()
        low, high = (beta, high) if -(p * np.log(p + 1e-300)).sum() > np.log(30) else (low, beta)
    by_definition = 1 / sum(p[own == code].sum() ** 2 for code in range(3))
    assert metrics.lisi(near, batch)[-1] == pytest.approx(by_definition, abs=1e-4)
    assert abs(peer.lisi_knn(as_results(near), batch)[-1] - by_definition) > 0.01


def test_k_means_ignores_its_limits() -> None:
    """It goes on while it moves *or* has steps left: one step is asked for, and hundreds are made."""
    points = np.random.default_rng(0).normal(size=(500, 5))
    once, long = (float(np.ravel(KMeans(10, seed=1, max_iter=n).fit(points).inertia_)[0]) for n in (1, 300))
    assert once == pytest.approx(long, rel=1e-6)


def test_float32_loses_what_is_far_from_the_origin(given: tuple) -> None:
    Z, _, labels, _ = given
    moved = Z + 1e7
    assert abs(peer.silhouette_label(moved, labels) - metrics.silhouette_label(Z, labels)) > 1e-3
    assert metrics.silhouette_label(moved, labels) == pytest.approx(
        metrics.silhouette_label(Z, labels), abs=1e-5
    )


def test_types_that_cannot_be_judged_are_left_out_by_both(given: tuple) -> None:
    Z, _, labels, batch = given
    near = neighbors(Z, 49)
    _, table = peer.kbet_per_label(as_results(near), batch, labels, return_df=True)
    theirs = dict(zip(table["cluster"], table["kBET"], strict=True))
    ours = kbet_per_label(near, labels, batch)
    assert missing(ours) == missing(theirs) != set()
