"""Every declaration of the table is held against the functions it speaks of."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cells
import numpy as np
import pytest
from cells import EVALUATE, Cells

import metrics
from metrics import TABLE, Undefined

ROOT = Path(__file__).parents[2]
GIVEN = cells.make()
VALUES = {name: evaluate(GIVEN) for name, evaluate in EVALUATE.items()}


def rotated(c: Cells) -> Cells:
    axes, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(c.Z.shape[1],) * 2))
    return c.with_embedding(c.Z @ axes)


CHANGES = {
    "rotation": rotated,
    "shift": lambda c: c.with_embedding(c.Z + np.linspace(-30, 50, c.Z.shape[1])),
    "scale": lambda c: c.with_embedding(c.Z * 37.5),
    "cell_order": lambda c: c.taken(np.random.default_rng(2).permutation(len(c.Z))),
    "label_names": lambda c: c.renamed("label_names"),
    "batch_names": lambda c: c.renamed("batch_names"),
}


def test_the_table_and_the_functions_name_the_same_scores() -> None:
    assert set(TABLE) == set(EVALUATE)
    assert all(metric.name == name for name, metric in TABLE.items())
    assert all(set(metric.invariances) <= CHANGES.keys() for metric in TABLE.values())


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name, metric in TABLE.items() for change in metric.invariances]
)
def test_declared_invariances_hold(name: str, change: str) -> None:
    # LISI's bisection stops at 1e-5 of entropy, wherever the scale lets it.
    tolerance = 1e-4 if name in {"ilisi", "clisi"} and change == "scale" else 1e-8
    assert EVALUATE[name](CHANGES[change](GIVEN)) == pytest.approx(VALUES[name], abs=tolerance)


@pytest.mark.parametrize(
    ("name", "change"),
    [("bras", "shift"), ("rogi", "rotation"), ("rogi_xd", "rotation"), ("scgraph_ontorwr", "rotation")],
)
def test_what_is_not_declared_does_not_hold(name: str, change: str) -> None:
    assert change not in TABLE[name].invariances
    assert abs(EVALUATE[name](CHANGES[change](GIVEN)) - VALUES[name]) > 1e-6


@pytest.mark.parametrize("name", TABLE)
def test_values_lie_between_best_and_worst(name: str) -> None:
    low, high = sorted((TABLE[name].best, TABLE[name].worst))
    assert low <= VALUES[name] <= high


def control(name: str) -> Cells:
    """The same cells as a control sees them; the answers of a control are those of its nearest cell."""
    random = np.random.default_rng(5)
    jitter = random.normal(size=GIVEN.Z.shape) * 0.05
    kind = np.unique(GIVEN.labels, return_inverse=True)[1]
    batch = np.unique(GIVEN.batch, return_inverse=True)[1]
    wide = random.normal(size=(len(kind), 8)) * 0.05
    wide = {
        "oracle": wide + np.eye(8)[kind],
        "noise": random.normal(size=wide.shape),
        "batch_only": wide + np.eye(8)[batch],
        "ontology_oracle": jitter[:, :1]
        + cells.reference().vectors[[cells.reference().nodes.index(x) for x in GIVEN.ids]],
    }[name]
    seen = GIVEN.with_embedding(wide)
    nearest = GIVEN.labels[seen.near.indices[:, 0]]
    return Cells(**{f: getattr(seen, f) for f in seen.__dataclass_fields__} | {"answer": nearest})


CONTROLS = {name: control(name) for name in ("oracle", "noise", "batch_only", "ontology_oracle")}


@pytest.mark.parametrize("name", [name for name, metric in TABLE.items() if metric.control_order])
def test_controls_come_in_the_declared_order(name: str) -> None:
    found = [EVALUATE[name](CONTROLS[one]) for one in TABLE[name].control_order]
    rising = found[::-1] if TABLE[name].higher_is_better else found
    assert all(a < b for a, b in pairwise(rising)), found


@pytest.mark.parametrize("name", [name for name, m in TABLE.items() if m.chance is not None])
def test_noise_scores_about_chance(name: str) -> None:
    assert EVALUATE[name](CONTROLS["noise"]) == pytest.approx(TABLE[name].chance, abs=0.2)


@pytest.mark.parametrize(("name", "tolerance"), [("scgraph_ontorwr", 0.2), ("scgraph_ontorwr_z", 2.5)])
def test_noise_agrees_with_no_ontology_where_types_are_of_like_size(name: str, tolerance: float) -> None:
    """30 to 48 cells a type here; with rare types noise scores above 0, so no chance is declared."""
    assert EVALUATE[name](CONTROLS["noise"]) == pytest.approx(0.0, abs=tolerance)


@pytest.mark.parametrize("name", ["rogi", "lcad", "lcad_errors", "ece", "rogi_xd"])
def test_low_is_good_where_the_table_says_so(name: str) -> None:
    assert not TABLE[name].higher_is_better


@pytest.mark.parametrize("name", [name for name, m in TABLE.items() if m.task == "integration"])
@pytest.mark.parametrize("broken", ["constant", "nan", "one label", "one batch"])
def test_no_number_where_there_is_no_question(name: str, broken: str) -> None:
    one = np.full(len(GIVEN.Z), "one")
    fields = {f: getattr(GIVEN, f) for f in GIVEN.__dataclass_fields__}
    changed = {
        "constant": {"Z": np.full_like(GIVEN.Z, 0.1)},
        "nan": {"Z": np.where(np.arange(GIVEN.Z.size).reshape(GIVEN.Z.shape) == 7, np.nan, GIVEN.Z)},
        "one label": {"labels": one, "ids": np.full(len(GIVEN.Z), cells.LEAVES[0])},
        "one batch": {"batch": one},
    }[broken]
    asks_for = {"one label": "labels", "one batch": "batch"}.get(broken)
    if asks_for and asks_for not in TABLE[name].needs:
        pytest.skip("the score does not ask for it")
    if broken == "one batch" and name in TYPES_APART_IN_ONE_BATCH:
        pytest.skip("types can be kept apart inside a single batch")
    if broken == "one label" and name in MIXED_WITHIN_ONE_TYPE:
        pytest.skip("mixing inside a single type is a question")
    with pytest.raises(Undefined):
        EVALUATE[name](Cells(**fields | changed))


MIXED_WITHIN_ONE_TYPE = {"bras", "kbet"}
TYPES_APART_IN_ONE_BATCH = {"bio_conservation", "isolated_labels"}


def test_in_one_batch_every_type_is_isolated() -> None:
    """Else biological conservation would not exist for a data set that tells of no batch."""
    one = np.full(len(GIVEN.Z), "one")
    per_cell = metrics.silhouette_samples(metrics.distance_sums(GIVEN.Z, GIVEN.labels))
    per_type = [(per_cell[GIVEN.labels == name].mean() + 1) / 2 for name in np.unique(GIVEN.labels)]
    assert metrics.isolated_labels(GIVEN.Z, GIVEN.labels, one) == pytest.approx(np.mean(per_type))


def test_the_table_is_light_and_prints() -> None:
    heavy = "{'numpy', 'scipy', 'sklearn'}"
    code = f"import sys; from metrics import TABLE; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    listing = [sys.executable, "-m", "metrics", "list"]
    shown = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(name in shown for name in TABLE)


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(metrics, name) is not None for name in metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        metrics.nonsense  # noqa: B018
