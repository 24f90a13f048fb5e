"""Every vector of a folder against ours: an unknown vector or an unread key fails.

The folder is $SCLITMUS_VECTORS, or tests/vectors; other vectors of the same names can be run through.
"""

import copy
import fnmatch
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import vectors_ontology as ontology
import vectors_rest as rest
import vectors_scib as scib

FOLDER = Path(os.environ.get("SCLITMUS_VECTORS") or Path(__file__).parents[1] / "vectors")
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
VECTORS = {(file, case["name"]): case for file, content in FILES.items() for case in content["vectors"]}
MAIN = ("scib_metrics", "main_150x5")
SCGRAPH = ("scgraph", "end_to_end_2x100")
# (file, name pattern): the comparison, and the vector whose inputs it borrows.
COMPARED: dict[tuple[str, str], tuple[Callable, tuple[str, str] | None]] = {
    MAIN: (scib.main_150x5, None),
    ("scib_metrics", "edge_cases"): (scib.edge_cases, MAIN),
    ("scib_metrics", "kbet_per_label_label_order"): (scib.kbet_label_order, MAIN),
    ("scib_metrics", "aggregation"): (scib.aggregation, None),
    ("scib_metrics", "scib_cross_check"): (scib.scib_cross_check, MAIN),
    ("scib_metrics", "graph_connectivity_k4"): (scib.graph_connectivity_k4, MAIN),
    ("structure", "linear_projection"): (scib.structure, None),
    ("structure", "random_latent"): (scib.structure, None),
    ("structure", "scaled_shifted_copy"): (scib.structure, None),
    ("structure", "collapsed_clusters"): (scib.structure, None),
    ("lcad", "hand_made_dag_*"): (ontology.pairs, None),
    ("lcad", "mean_over_misclassified"): (ontology.misclassified, None),
    ("lcad", "real_cl_*"): (ontology.pairs, None),
    ("lcad", "obsolete_terms_*"): (ontology.obsolete, None),
    ("scgraph", "end_to_end_*"): (ontology.scgraph, SCGRAPH),
    ("scgraph", "unit_parts"): (ontology.scgraph_parts, None),
    ("scgraph", "edge_cases"): (ontology.scgraph_edges, SCGRAPH),
    ("scgraph_ontorwr", "toy_*"): (ontology.toy_walk, None),
    ("scgraph_ontorwr", "rwr_path3_plus_isolated"): (ontology.walk_with_isolated, None),
    ("scgraph_ontorwr", "released_script_pitfalls"): (ontology.released_pitfalls, None),
    ("scgraph_ontorwr", "null_level_on_real_cl"): (ontology.null_on_real_ontology, None),
    ("rogi", "one_vs_rest_proposal"): (rest.one_vs_rest, None),
    ("rogi", "package_test_distance_matrix"): (rest.roughness, None),
    ("rogi", "smooth_*"): (rest.roughness, None),
    ("rogi", "shuffled_*"): (rest.roughness, None),
    ("rogi", "binary_*"): (rest.roughness, None),
    ("rogi", "duplicates_*"): (rest.roughness, None),
    ("rogi", "constant_property"): (rest.roughness, None),
    ("rogi", "min_dt_*"): (rest.roughness, None),
    ("rogi", "codes_*"): (rest.roughness, None),
    ("rogi", "separated_clusters_*"): (rest.roughness, None),
    ("annotation_ranking", "classification"): (rest.classification, None),
    ("annotation_ranking", "novelty_detection"): (rest.novelty, None),
    ("annotation_ranking", "pareto_fronts"): (rest.fronts, None),
    ("perturbation", "baselines_double_perturbation"): (rest.double_perturbation, None),
    ("perturbation", "systema_centroid_accuracy"): (rest.centroid_accuracy, None),
}


def check(ours: object, wanted: object, tolerance: object, at: str = "") -> None:
    """Compare every key of ``wanted``; null and "nan" mean undefined, and nothing may be left over."""
    if isinstance(wanted, Mapping):
        assert isinstance(ours, Mapping), at
        unread = set(map(str, wanted)) - set(map(str, ours))
        assert not unread, f"{at}: nothing of ours answers {sorted(unread)}"
        for key, value in wanted.items():
            limit = tolerance[key] if isinstance(tolerance, Mapping) else tolerance
            check(ours[key], value, limit, f"{at}/{key}")
    elif wanted is None or wanted == "nan" or wanted != wanted:
        assert ours is None or np.isnan(ours), f"{at}: {ours} is not undefined"
    elif isinstance(wanted, str) or (isinstance(wanted, list) and wanted and isinstance(wanted[0], str)):
        assert ours == wanted, at
    elif isinstance(wanted, list):
        np.testing.assert_allclose(
            np.array(ours, dtype=float),
            np.array(wanted, dtype=float),
            atol=max(tolerance, 1e-12),
            rtol=0,
            err_msg=at,
        )
    else:
        assert abs(ours - wanted) <= max(tolerance, 1e-12), f"{at}: ours {ours}, wanted {wanted}"


def compared(file: str, name: str) -> tuple[Callable, tuple[str, str] | None]:
    found = [
        entry
        for (in_file, pattern), entry in COMPARED.items()
        if in_file == file and fnmatch.fnmatchcase(name, pattern)
    ]
    assert found, f"no comparison for vector {name!r} of {file}.json"
    return found[0]


@pytest.mark.parametrize(("file", "name"), list(VECTORS), ids=[f"{file}-{name}" for file, name in VECTORS])
def test_vector(file: str, name: str) -> None:
    compare, base = compared(file, name)
    case = copy.deepcopy(VECTORS[file, name])
    if base is None:
        compare(case, check)
    else:
        compare(case, check, copy.deepcopy(VECTORS[base]))


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 1, f"no vectors in {FOLDER}"


def test_an_unknown_vector_fails() -> None:
    with pytest.raises(AssertionError, match="no comparison"):
        compared("rogi", "a_new_one")


def test_an_unread_key_fails() -> None:
    with pytest.raises(AssertionError, match="nothing of ours answers"):
        check({"a": 1.0}, {"a": 1.0, "b": 2.0}, 0)


@pytest.mark.parametrize(("ours", "wanted"), [(1.1, 1.0), (0.0, None), ([1.0], [2.0]), (float("nan"), 1.0)])
def test_a_wrong_value_fails(ours: object, wanted: object) -> None:
    with pytest.raises(AssertionError):
        check(ours, wanted, 1e-3)
