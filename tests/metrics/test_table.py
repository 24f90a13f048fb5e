"""Every declaration of the table is held against the functions it speaks of."""

import inspect
import json
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import get_args

import cells
import numpy as np
import pytest
from cells import EVALUATE, Cells

import metrics
from metrics import TABLE
from metrics.row import Change

ROOT = Path(__file__).parents[2]
GIVEN = cells.make()
VALUES = {name: evaluate(GIVEN) for name, evaluate in EVALUATE.items()}
NOT_SCORES = {"silhouette_error", "systematic_variation"}  # an error, a property of the data
ROWS_OF = {  # functions that answer under other names, or several questions
    "centroid_accuracy": ("centroid_accuracy",),
    "expected_calibration_error": ("ece",),
    "lcad": ("lcad", "lcad_errors", "lcad_sym"),
    "nmi_ari_kmeans": ("nmi_kmeans", "ari_kmeans"),
    "nmi_ari_leiden": ("nmi_leiden", "ari_leiden"),
    "rogi_labels": ("rogi", "rogi_xd"),
    "scgraph": ("scgraph", "scgraph_correlation", "scgraph_rank", "scgraph_z"),
    "scgraph_ontorwr": ("scgraph_ontorwr", "scgraph_ontorwr_published", "scgraph_ontorwr_z"),
}


def rotated(c: Cells) -> Cells:
    axes, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(c.Z.shape[1],) * 2))
    return c.with_embedding(c.Z @ axes)


def stretched(c: Cells) -> Cells:
    return c.with_embedding(c.Z * np.linspace(0.2, 5, c.Z.shape[1]))


def genes_shuffled(c: Cells) -> Cells:
    order = np.random.default_rng(3).permutation(cells.GENES)
    return c.with_genes(lambda X: X[:, order], "profile", "predicted", "control")


CHANGES = {
    "rotation": rotated,
    "shift": lambda c: c.with_embedding(c.Z + np.linspace(-30, 50, c.Z.shape[1])),
    "scale": lambda c: c.with_embedding(c.Z * 37.5),
    "cell_order": lambda c: c.taken(np.random.default_rng(2).permutation(len(c.Z))),
    "label_names": lambda c: c.renamed("label_names"),
    "batch_names": lambda c: c.renamed("batch_names"),
    "rescoring": lambda c: c.with_genes(lambda x: 3 * x**3 - 5, "newness"),
    "gene_order": genes_shuffled,
    "effect_size": lambda c: c.with_genes(lambda X: c.control + 3 * (X - c.control), "predicted"),
}
EMBEDDED = [name for name, metric in TABLE.items() if metric.task in ("integration", "structure")]


def test_the_table_and_the_functions_name_the_same_scores() -> None:
    assert set(TABLE) == set(EVALUATE)
    assert all(metric.name == name for name, metric in TABLE.items())
    assert set(get_args(Change)) == CHANGES.keys()


def test_every_public_score_has_a_row() -> None:
    functions = {name: getattr(metrics, name) for name in metrics.__all__ if name.islower()}
    numbers = {name for name, f in functions.items() if inspect.signature(f).return_annotation is float}
    answered = {row for name in (numbers | ROWS_OF.keys()) - NOT_SCORES for row in ROWS_OF.get(name, (name,))}
    assert answered == set(TABLE)


def test_a_row_without_a_chance_level_says_on_what_chance_depends() -> None:
    told = ("chance", "noise")
    unknown = {name: metric.about.lower() for name, metric in TABLE.items() if metric.chance is None}
    silent = [name for name, about in unknown.items() if not any(word in about for word in told)]
    assert silent == []
    assert all(len(metric.about) <= 400 for metric in TABLE.values())


def test_sources_are_one_of_a_kind() -> None:
    for metric in TABLE.values():
        assert not (metric.doi and metric.code)
        assert not metric.doi or metric.doi.startswith("10.")


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name, metric in TABLE.items() for change in metric.invariances]
)
def test_declared_invariances_hold(name: str, change: str) -> None:
    # LISI's bisection stops at 1e-5 of entropy, wherever the scale lets it.
    tolerance = 1e-4 if name in {"ilisi", "clisi", "cilisi"} and change == "scale" else 1e-8
    assert EVALUATE[name](CHANGES[change](GIVEN)) == pytest.approx(VALUES[name], abs=tolerance)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bras", "shift"),  # cosines are taken at the origin
        *product(("rogi", "rogi_xd"), ("rotation",)),  # scaled by the box of the coordinates
        *product(("scgraph", "scgraph_rank", "scgraph_ontorwr"), ("rotation",)),  # trimmed by coordinate
        *product(("l2", "mse"), ("effect_size",)),
        ("scgraph_z", "label_names"),  # its permutations are numbered
    ],
)
def test_what_is_not_declared_does_not_hold(name: str, change: str) -> None:
    assert change not in TABLE[name].invariances
    assert abs(EVALUATE[name](CHANGES[change](GIVEN)) - VALUES[name]) > 1e-6


@pytest.mark.parametrize("name", EMBEDDED)
def test_no_score_is_blind_to_the_shape_of_an_embedding(name: str) -> None:
    assert abs(EVALUATE[name](stretched(GIVEN)) - VALUES[name]) > 1e-6


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
    blind = GIVEN.control + random.normal(size=GIVEN.control.shape)
    told = {
        "answer": GIVEN.labels[seen.near.indices[:, 0]],
        "newness": cells.far_from_known(wide, GIVEN.labels),
        "predicted": GIVEN.profile if name == "oracle" else blind,
    }
    return Cells(**{f: getattr(seen, f) for f in seen.__dataclass_fields__} | told)


CONTROLS = {name: control(name) for name in ("oracle", "noise", "batch_only", "ontology_oracle")}


@pytest.mark.parametrize("name", [name for name, metric in TABLE.items() if metric.control_order])
def test_controls_come_in_the_declared_order(name: str) -> None:
    found = [EVALUATE[name](CONTROLS[one]) for one in TABLE[name].control_order]
    rising = found[::-1] if TABLE[name].higher_is_better else found
    assert all(a < b for a, b in pairwise(rising)), found


@pytest.mark.parametrize("name", [name for name, m in TABLE.items() if m.chance is not None])
def test_noise_scores_about_chance(name: str) -> None:
    tolerance = 2.5 if name.endswith("_z") else 0.2  # a z-score has a standard deviation of 1
    assert EVALUATE[name](CONTROLS["noise"]) == pytest.approx(TABLE[name].chance, abs=tolerance)


def test_low_is_good_where_the_table_says_so() -> None:
    low = {name for name, metric in TABLE.items() if not metric.higher_is_better}
    assert low == {
        *("rogi", "rogi_xd", "distance_emd", "lcad", "lcad_errors", "lcad_sym", "ece", "fpr95", "l2", "mse")
    }


def listed(*options: str) -> str:
    command = [sys.executable, "-m", "metrics", "list", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_table_is_light_and_prints() -> None:
    heavy = "{'numpy', 'scipy', 'sklearn'}"
    code = f"import sys; from metrics import TABLE; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    for shown in (listed(), listed("--about")):
        assert all(name in shown for name in TABLE)


def test_the_table_is_readable_for_machines() -> None:
    rows = json.loads(listed("--json"))
    assert [row["name"] for row in rows] == list(TABLE)
    for row in rows:
        metric = TABLE[row["name"]]
        assert (row["chance"], row["version"]) == (metric.chance, metric.version)
        assert row["higher_is_better"] == metric.higher_is_better
        assert row["worst"] == (None if np.isinf(metric.worst) else metric.worst)
    assert all("about" in row for row in rows)


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(metrics, name) is not None for name in metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        metrics.nonsense  # noqa: B018
