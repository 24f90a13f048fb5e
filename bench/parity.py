"""Ours beside scib-metrics on real cells, on the same neighbours. Prints the tables of docs/parity.md.

``python -m bench.parity --data FOLDER``; about ten minutes on one core.
"""

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

import metrics
from bench.parity_cells import Case, cases
from metrics.knn import GRAPH_K, KBET_K
from metrics.peer import as_results, package, scib_metrics
from metrics.suite import scib

SEEDS = range(6)
COLUMNS = ("score", "ours", "scib-metrics", "difference", "its own spread", "on its own neighbours")


def ours(case: Case, nearest: metrics.Neighbors) -> dict[str, float]:
    """Return our value of every score that both have."""
    found = scib(case.Z, case.labels, case.batch, reference=case.reference)
    leiden = zip(("nmi_leiden", "ari_leiden"), metrics.nmi_ari_leiden(nearest, case.labels), strict=True)
    return dict(found.values) | dict(leiden)


def repeats(case: Case, nearest: metrics.Neighbors) -> dict[str, list[float]]:
    """Return the peer's values of what it draws, over its seeds, and of kBET, which has none, over runs."""
    peer, wide = package(), as_results(nearest)
    graph = wide.subset_neighbors(GRAPH_K + 1)
    leiden = [peer.nmi_ari_cluster_labels_leiden(graph, case.labels, seed=seed) for seed in SEEDS]
    found = [_clusters(peer, case, seed) for seed in SEEDS]
    narrow = wide.subset_neighbors(KBET_K + 1)
    return {
        "nmi_kmeans": [float(normalized_mutual_info_score(case.labels, k)) for k in found],
        "ari_kmeans": [float(adjusted_rand_score(case.labels, k)) for k in found],
        "nmi_leiden": [float(run["nmi"]) for run in leiden],
        "ari_leiden": [float(run["ari"]) for run in leiden],
        "kbet": [float(peer.kbet_per_label(narrow, case.batch, case.labels)) for _ in SEEDS],
    }


def _clusters(peer: ModuleType, case: Case, seed: int) -> NDArray:
    return peer.utils.KMeans(len(np.unique(case.labels)), seed=seed).fit(case.Z).labels_


def mended_kbet(case: Case, nearest: metrics.Neighbors) -> dict[str, float]:
    """kBET of every type by the peer, two of its faults kept out: types one at a time, weights in float64.

    Handed over together, a small type cuts the diffusion components of those after it; in float32 the
    first eigenvalue is now and then 0.99999994 instead of 1, and its component outweighs all others.
    """
    whole = as_results(nearest).subset_neighbors(KBET_K + 1)
    weights = whole.knn_graph_connectivities.astype(np.float64)
    scores = {}
    for name in np.unique(case.labels):
        inside = case.labels == name
        part = type(whole)(whole.indices[inside], whole.distances[inside])
        part.__dict__["knn_graph_connectivities"] = weights[inside][:, inside]
        _, table = package().kbet_per_label(part, case.batch[inside], case.labels[inside], return_df=True)
        scores[str(name)] = float(table["kBET"].iloc[0])
    return scores


def comparison(case: Case) -> list[tuple[str, ...]]:
    """One row a score: ours, the peer's on the same neighbours, its spread, and what it says on its own."""
    nearest = metrics.neighbors(case.Z)
    mine, drawn = ours(case, nearest), repeats(case, nearest)
    given = {"labels": case.labels, "batch": case.batch, "reference": case.reference}
    same = scib_metrics(case.Z, **given, nearest=nearest)
    same |= {name: values[0] for name, values in drawn.items()}
    alone = scib_metrics(case.Z, **given)
    rows = [_row(name, mine[name], same[name], drawn.get(name, []), alone.get(name)) for name in mine]
    mended = float(np.nanmean(list(mended_kbet(case, nearest).values())))
    return [*rows, _row("kbet, faults mended", mine["kbet"], mended, [], None)]


def _row(name: str, mine: float, peers: float, drawn: list[float], alone: float | None) -> tuple[str, ...]:
    spread = f"{min(drawn):.4f} – {max(drawn):.4f}" if drawn else ""
    own = "" if alone is None else f"{alone:.6f}"
    return name, f"{mine:.6f}", f"{peers:.6f}", f"{peers - mine:+.0e}", spread, own


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def main() -> int:
    """Print one table a case."""
    parser = ArgumentParser(prog="python -m bench.parity", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder that holds datasets/ and embeddings/"
    )
    parser.add_argument("--cells", type=int, default=1500, help="at most so many cells of a set (1500)")
    args = parser.parse_args()
    package().settings.verbosity = (
        logging.WARNING
    )  # its notes on types left out go to stdout, into the tables
    for case in cases(args.data, cells=args.cells):
        print(
            f"\n**{case.name}**, {len(case.Z)} cells\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"
        )
        for row in comparison(case):
            print(_line(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
