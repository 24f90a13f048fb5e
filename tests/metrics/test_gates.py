"""Where there is no question there is no number; where there is one, no input of a legal kind breaks it."""

from dataclasses import replace

import cells
import numpy as np
import pytest
from cells import EVALUATE, Cells
from hypothesis import given, settings
from hypothesis import strategies as st

import metrics
from metrics import TABLE, Undefined

GIVEN = cells.make(seed=1)
VALUES = {name: evaluate(GIVEN) for name, evaluate in EVALUATE.items()}
EMBEDDED = [name for name, metric in TABLE.items() if metric.task in ("integration", "structure")]
ONE = np.full(len(GIVEN.Z), "one")
BROKEN = {
    "constant": GIVEN.with_embedding(np.full_like(GIVEN.Z, 0.1)),
    "nan": GIVEN.with_embedding(np.where(np.eye(*GIVEN.Z.shape) == 1, np.nan, GIVEN.Z)),
    "infinite": GIVEN.with_embedding(np.where(np.eye(*GIVEN.Z.shape) == 1, np.inf, GIVEN.Z)),
    "one label": replace(GIVEN, labels=ONE, ids=np.full(len(ONE), cells.LEAVES[0])),
    "one batch": replace(GIVEN, batch=ONE),
}
ASKS_FOR = {"one label": "labels", "one batch": "batch"}
STILL_A_QUESTION = {
    "one label": ("bras", "kbet", "silhouette_batch", "cilisi"),  # mixing inside a single type
    # Types can be kept apart, and layouts compared, inside a single batch.
    "one batch": (
        *("bio_conservation", "isolated_labels", "intra_type_conservation"),
        *("scgraph", "scgraph_correlation", "scgraph_rank", "scgraph_z"),
    ),
}
# One row of each function; means of scores are as sound as their parts.
FUZZED = (
    *("isolated_labels", "nmi_kmeans", "silhouette_label", "silhouette_batch", "clisi", "cilisi", "bras"),
    *("ilisi", "kbet", "graph_connectivity", "pcr_comparison", "ari_leiden", "scgraph", "scgraph_z"),
    *("scgraph_ontorwr", "scgraph_ontorwr_z", "rogi", "rogi_xd", "knn_preservation"),
    *("distance_correlation", "distance_emd", "szekely_correlation", "intra_type_conservation"),
)


def within(name: str, value: float) -> bool:
    low, high = sorted((TABLE[name].best, TABLE[name].worst))
    return low - 1e-12 <= value <= high + 1e-12


def untouched(name: str, broken: str) -> bool:
    return broken in ASKS_FOR and ASKS_FOR[broken] not in TABLE[name].needs


CASES = [(name, broken) for name in EMBEDDED for broken in BROKEN]


@pytest.mark.parametrize(
    ("name", "broken"),
    [(n, b) for n, b in CASES if not untouched(n, b) and n not in STILL_A_QUESTION.get(b, ())],
)
def test_no_number_where_there_is_no_question(name: str, broken: str) -> None:
    with pytest.raises(Undefined, match=r"\w"):
        EVALUATE[name](BROKEN[broken])


@pytest.mark.parametrize(("name", "broken"), [(n, b) for n, b in CASES if untouched(n, b)])
def test_what_a_score_does_not_ask_for_does_not_change_it(name: str, broken: str) -> None:
    assert EVALUATE[name](BROKEN[broken]) == VALUES[name]


@pytest.mark.parametrize(
    ("name", "broken"), [(name, broken) for broken in STILL_A_QUESTION for name in STILL_A_QUESTION[broken]]
)
def test_where_one_is_enough_there_is_a_number(name: str, broken: str) -> None:
    assert within(name, EVALUATE[name](BROKEN[broken]))


def test_in_one_batch_every_type_is_isolated() -> None:
    """Else biological conservation would not exist for a data set that tells of no batch."""
    per_cell = metrics.silhouette_samples(metrics.distance_sums(GIVEN.Z, GIVEN.labels))
    per_type = [(per_cell[GIVEN.labels == name].mean() + 1) / 2 for name in np.unique(GIVEN.labels)]
    assert metrics.isolated_labels(GIVEN.Z, GIVEN.labels, ONE) == pytest.approx(np.mean(per_type))


@pytest.mark.parametrize("name", TABLE)
def test_single_precision_and_text_of_any_kind_are_welcome(name: str) -> None:
    half = {
        field: getattr(GIVEN, field).astype(np.float32) for field in ("Z", "before", "profile", "predicted")
    }
    text = {field: getattr(GIVEN, field).astype(object) for field in ("labels", "batch", "ids", "answer")}
    assert EVALUATE[name](replace(GIVEN, **half)) == pytest.approx(VALUES[name], abs=1e-3)
    assert EVALUATE[name](replace(GIVEN, **text)) == VALUES[name]


@pytest.mark.parametrize("name", [n for n in EMBEDDED if {"labels", "batch"} & set(TABLE[n].needs)])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_cells_without_a_name_are_refused_not_guessed(name: str, missing: object) -> None:
    gone = np.arange(len(GIVEN.Z)) < 5
    fields = ("ids",) if "ontology" in TABLE[name].needs else ("labels", "batch")
    unnamed = {field: np.where(gone, missing, getattr(GIVEN, field).astype(object)) for field in fields}
    with pytest.raises(ValueError, match="5 of 320 cells have no"):
        EVALUATE[name](replace(GIVEN, **unnamed))


def crowd(seed: int, *, n: int, width: int, levels: int, n_types: int, n_batches: int, alone: bool) -> Cells:
    """Few cells on a coarse grid: duplicates, ties, rare types and batches, one alone in its type."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, n_types, n)
    if alone:
        kind[0] = 7
    rows = np.arange(n)
    return replace(
        GIVEN.taken(rows % len(GIVEN.Z)),
        Z=random.integers(0, levels, (n, width)).astype(float),
        labels=np.array([f"type {k}" for k in kind]),
        ids=np.array(cells.LEAVES)[kind],
        batch=np.array(["p", "q", "r"])[random.integers(0, n_batches, n)],
    )


@pytest.mark.parametrize("name", FUZZED)
@settings(derandomize=True, max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 90),
    width=st.integers(1, 4),
    levels=st.integers(1, 4),
    n_types=st.integers(1, 5),
    n_batches=st.integers(1, 3),
    alone=st.booleans(),
)
def test_small_crowded_sets_give_a_number_or_a_reason(name: str, **made: int) -> None:
    try:
        value = EVALUATE[name](crowd(**made))
    except Undefined:
        return
    assert within(name, value)
