"""Ours beside scib-metrics on the same neighbours, on made-up and on real cells."""

import os
from functools import lru_cache
from pathlib import Path

import cells
import numpy as np
import pytest

from bench.parity import mended_kbet, ours, repeats
from bench.parity_cells import SETS, Case, cases
from metrics import Neighbors, neighbors
from metrics.acceptance import kbet_per_label
from metrics.peer import scib_metrics

pytestmark = pytest.mark.slow

MADE_UP = "made up"
REAL = ("kang_ctrl_8donors Harmony", "kang_ifnb_7types PCA", "harmony_cell_lines_pcs Harmony")
DETERMINISTIC = {
    *(
        "isolated_labels",
        "silhouette_label",
        "clisi",
        "bras",
        "ilisi",
        "graph_connectivity",
        "pcr_comparison",
    ),
}
CELLS = 600  # of each case: the peer compiles anew for every size


@lru_cache
def real() -> dict[str, Case]:
    """The cases by their names; the folder of the data sets has the embeddings beside it."""
    folder = Path(os.environ.get("SCLITMUS_DATA", "")).resolve().parent
    if not all((folder / f"{name}.h5ad").is_file() for name in SETS):
        pytest.skip("SKIPPED: no real data sets; set SCLITMUS_DATA to the folder that holds them")
    return {case.name: case for case in cases(folder, cells=CELLS)}


@pytest.fixture(scope="module", params=[MADE_UP, *REAL])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param != MADE_UP:
        return real()[request.param]
    made = cells.make(n=CELLS, width=20)
    return Case(name=MADE_UP, Z=made.Z, reference=made.before, labels=made.labels, batch=made.batch)


@pytest.fixture(scope="module")
def near(case: Case) -> Neighbors:
    return neighbors(case.Z)


@pytest.fixture(scope="module")
def mine(case: Case, near: Neighbors) -> dict[str, float]:
    return ours(case, near)


@pytest.fixture(scope="module")
def peers(case: Case, near: Neighbors) -> dict[str, float]:
    return scib_metrics(case.Z, case.labels, case.batch, reference=case.reference, nearest=near)


def test_deterministic_scores_agree(mine: dict[str, float], peers: dict[str, float]) -> None:
    assert peers.keys() == mine.keys() - {"nmi_leiden", "ari_leiden"}
    for name in DETERMINISTIC:
        assert mine[name] == pytest.approx(peers[name], abs=1e-4), name


def test_kbet_is_the_peers_without_its_faults(case: Case, near: Neighbors) -> None:
    """Type by type; of types above 400 cells ours finds the diffusion map in float32, residual 0.01."""
    mine = kbet_per_label(near, case.labels, case.batch)
    assert mended_kbet(case, near) == pytest.approx(mine, abs=0.01, nan_ok=True)


def test_clusterings_agree_within_the_peers_seeds(
    case: Case, near: Neighbors, mine: dict[str, float]
) -> None:
    """Or better: ours takes the best of ten starts of k-means and of twice as many resolutions."""
    drawn = repeats(case, near)
    for name in ("nmi_kmeans", "ari_kmeans", "nmi_leiden", "ari_leiden"):
        slack = max(np.ptp(drawn[name]), 0.01)
        assert min(drawn[name]) - slack <= mine[name] <= max(drawn[name]) + slack, (name, drawn[name])


def test_the_peers_own_neighbours_make_little_difference(case: Case, peers: dict[str, float]) -> None:
    own = scib_metrics(case.Z, case.labels, case.batch, reference=case.reference)
    for name in DETERMINISTIC:
        assert own[name] == pytest.approx(peers[name], abs=0.01), name


def test_totals_are_means_of_the_peers_scores(peers: dict[str, float]) -> None:
    bio = ("isolated_labels", "nmi_kmeans", "ari_kmeans", "silhouette_label", "clisi")
    mixed = ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison")
    means = [np.mean([peers[name] for name in names]) for names in (bio, mixed)]
    assert [peers["bio_conservation"], peers["batch_correction"]] == pytest.approx(means)
    assert peers["scib_total"] == pytest.approx(0.6 * means[0] + 0.4 * means[1])
