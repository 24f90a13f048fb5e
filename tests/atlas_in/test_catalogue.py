"""The catalogue: what is right is read, and every mistake is one line naming file, entry and field."""

import copy
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml

from atlas.catalogue import Split, find_dataset, read_datasets
from contract.catalogue import read_yaml
from contract.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
UUID = "9deda9ad-6a71-401e-b909-5263919d85f9"
GOOD = {
    "title": "Three cells",
    "source": {"kind": "file", "path": "sets/three.h5ad"},
    "sha256": "a" * 64,
    "license": "CC0-1.0",
    "citation": "GEO:GSE1",
    "organism": "human",
    "gene_ids": "symbol",
    "total_counts": "matrix",
    "obs": {"label": "type", "batch": "lane", "donor": "who"},
    "label_source": "facs",
    "public_since": "2020-01-02",
    "tasks": ["integration", "annotation"],
}
SIMULATED = {"kind": "simulated", "seed": 0, "n_cells": 10, "types": ["CL:0000236"]}
REMOVE = object()


def entry(**changes: Any) -> dict[str, Any]:
    """Return the good entry with dotted fields set, or removed."""
    made = copy.deepcopy(GOOD)
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        place = made
        for key in path:
            place = place[key]
        if value is REMOVE:
            del place[last]
        else:
            place[last] = value
    return made


def write(folder: Path, text: Any) -> Path:
    path = folder / "sets.yaml"
    path.write_text(
        text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False), encoding="utf-8"
    )
    return path


def complaint(folder: Path, text: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_datasets(write(folder, text))
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder / "sets.yaml") in message
    return message


def test_a_good_entry(tmp_path):
    path = write(tmp_path, {"b": entry(), "a": entry(missing=["unknown"], split={"test_fraction": 0.3})})
    datasets = read_datasets(path)
    assert list(datasets) == ["b", "a"]
    one = datasets["b"]
    assert (one.id, one.units, one.tasks, one.missing) == ("b", "donor", ("integration", "annotation"), ())
    assert (one.obs.label, one.obs.ontology, one.counts, one.split) == ("type", None, "matrix", Split())
    assert datasets["a"].split == Split(seed=0, test_fraction=0.3)
    with pytest.raises(FrozenInstanceError):
        one.title = "another"


@pytest.mark.parametrize(
    ("obs", "units"),
    [({"batch": "b", "donor": "d"}, "donor"), ({"batch": "b"}, "batch"), ({"assay": "x"}, "none")],
)
def test_units_are_donors_else_batches(tmp_path, obs, units):
    good = entry(obs=obs, label_source="none", tasks=["integration"])
    assert read_datasets(write(tmp_path, {"x": good}))["x"].units == units


@pytest.mark.parametrize("date", ["2020", "2020-02", "2020-02-29"])
def test_dates_are_as_exact_as_they_are_known(tmp_path, date):
    assert read_datasets(write(tmp_path, {"x": entry(public_since=date)}))["x"].public_since == date


def test_an_unquoted_date_is_a_date(tmp_path):
    text = yaml.safe_dump({"x": entry()}).replace("'2020-01-02'", "2020-01-02")
    assert read_datasets(write(tmp_path, text))["x"].public_since == "2020-01-02"


SOURCES = {
    "file": GOOD["source"],
    "scanpy": {"kind": "scanpy", "name": "pbmc68k_reduced"},
    "cellxgene": {"kind": "cellxgene", "dataset_version_id": UUID},
}
MISTAKES = {
    "unknown key": (entry(licence="CC0"), ["unknown key 'licence'", "did you mean 'license'"]),
    "unknown key of obs": (
        entry(obs={"labels": "x"}),
        ["obs:", "unknown key 'labels'", "did you mean 'label'"],
    ),
    "unknown key of split": (entry(split={"frac": 0.5}), ["split:", "unknown key 'frac'"]),
    "missing field": (entry(citation=REMOVE), ["no 'citation'", "add 'citation: …'"]),
    "not a mapping": (["x"], ["expected object"]),
    "empty title": (entry(title=""), ["title", "at least 1 character"]),
    "unknown organism": (entry(organism="zebrafish"), ["organism", "'zebrafish'", "human", "mouse"]),
    "unknown gene ids": (entry(gene_ids="entrez"), ["gene_ids", "ensembl", "symbol"]),
    "unknown task": (entry(tasks=["clustering"]), ["tasks.0", "'clustering'", "annotation"]),
    "a task twice": (entry(tasks=["annotation", "annotation"]), ["tasks", "each item once"]),
    "no task": (entry(tasks=[]), ["tasks", "at least 1 item"]),
    "unknown label source": (entry(label_source="guess"), ["label_source", "reference_mapping"]),
    "hash of digits without quotes": (entry(sha256=int("1" * 64)), ["sha256", "an integer of 210 bits"]),
    "short hash of digits without quotes": (entry(sha256=int("1" * 18)), ["sha256", "a number", "quotes"]),
    "hash too short": (entry(sha256="abc"), ["sha256", "'abc'", "64 hexadecimal digits"]),
    "hash in capitals": (entry(sha256="A" * 64), ["sha256", "64 hexadecimal digits"]),
    "no hash for a file": (entry(sha256=REMOVE), ["no 'sha256'", "sha256sum"]),
    "no hash for scanpy": (entry(sha256=REMOVE, source=SOURCES["scanpy"]), ["no 'sha256'"]),
    "hash of simulated cells": (entry(source=SIMULATED, label_source="simulated"), ["sha256", "remove it"]),
    "no kind": (entry(source={"path": "x.h5ad"}), ["source", "no 'kind'"]),
    "unknown kind": (entry(source={"kind": "url"}), ["source.kind", "'url'", "cellxgene", "scanpy"]),
    "key of another kind": (entry(source__name="x"), ["source", "unknown key 'name'", "path"]),
    "file without path": (entry(source={"kind": "file"}), ["source", "no 'path'"]),
    "absolute path": (entry(source__path="/etc/x.h5ad"), ["source.path", "'/etc/x.h5ad'", "--data"]),
    "path that climbs": (entry(source__path="a/../../x.h5ad"), ["source.path", "without '..'"]),
    "path on a drive": (entry(source__path="C:/x.h5ad"), ["source.path", "below the data folder"]),
    "not an h5ad": (entry(source__path="x.rds"), ["source.path", "'x.rds'", "h5ad"]),
    "unknown scanpy file": (
        entry(source={"kind": "scanpy", "name": "pbmc3k"}),
        ["source.name", "pbmc68k_reduced"],
    ),
    "cellxgene without id": (entry(source={"kind": "cellxgene"}), ["source", "neither 'dataset_id' nor"]),
    "cellxgene with a slug": (
        entry(source={"kind": "cellxgene", "dataset_id": "lung"}),
        ["source.dataset_id", "'lung'", "UUID"],
    ),
    "simulated without seed": (entry(source={**SIMULATED, "seed": REMOVE}), ["source"]),
    "simulated with text": (
        entry(source={**SIMULATED, "n_cells": "many"}),
        ["source.n_cells", "'many'", "integer"],
    ),
    "simulated type is a name": (
        entry(source={**SIMULATED, "types": ["B cell"]}),
        ["source.types.0", "Cell Ontology"],
    ),
    "condition is the batch": (entry(obs__condition="lane"), ["obs.condition", "'lane'", "two columns"]),
    "the condition is the donor": (entry(obs__condition="donor", obs__donor="donor"), ["obs.condition"]),
    "the condition is the tissue": (entry(obs__condition="organ", obs__tissue="organ"), ["obs.tissue"]),
    "the label is the batch": (entry(obs__batch="type"), ["obs.label", "'type'", "obs.batch", "never"]),
    "the term is the assay": (entry(obs__ontology="cl", obs__assay="cl"), ["obs.ontology", "obs.assay"]),
    "a share that is no number": (
        entry(split={"test_fraction": float("nan")}),
        ["test_fraction", "finite number"],
    ),
    "a seed with a point": (entry(split={"seed": 1.0}), ["split.seed", "1.0", "integer"]),
    "all cells are test": (entry(split={"test_fraction": 1}), ["test_fraction", "less than 1"]),
    "donors without a column": (
        entry(units="donor", obs__donor=REMOVE),
        ["units", "obs.donor", "units: batch"],
    ),
    "batches without a column": (
        entry(units="batch", obs__batch=REMOVE),
        ["units", "obs.batch", "units: none"],
    ),
    "unknown units": (entry(units="cell"), ["units", "donor", "batch", "none"]),
    "annotation without labels": (entry(obs__label=REMOVE), ["tasks", "annotation", "obs.label"]),
    "labels from nowhere": (entry(label_source="none"), ["label_source", "'type'"]),
    "real cells with simulated labels": (entry(label_source="simulated"), ["label_source", "'file'"]),
    "two ontologies": (
        entry(obs__ontology="cl", ontology_map={"B": "CL:0000236"}),
        ["ontology_map", "one of them"],
    ),
    "not a Cell Ontology id": (
        entry(ontology_map={"B": "B cell"}),
        ["ontology_map.B", "'B cell'", "CL:0000236"],
    ),
    "a label that is a number": (entry(ontology_map={3: "CL:0000236"}), ["ontology_map", "quotes"]),
    "lost totals": (entry(counts="log1p_of_1e4"), ["total_counts", "'matrix'", "obs:<column>"]),
    "totals in a word": (entry(total_counts="n_counts"), ["total_counts", "'n_counts'", "obs:<column>"]),
    "no such day": (entry(public_since="2021-02-29"), ["public_since", "'2021-02-29'"]),
    "a year without quotes": (entry(public_since=2020), ["public_since", "2020", "quotes"]),
    "a filter without values": (entry(where={"organism": []}), ["where.organism", "at least 1 item"]),
    "a filter by number": (entry(where={"lane": [1]}), ["where.lane.0", "quotes"]),
    "a column that is a number": (entry(obs__batch=3), ["obs.batch", "3"]),
    "all cells in the test": (entry(split={"test_fraction": 1.0}), ["split.test_fraction", "1.0"]),
    "an unknown number of seeds": (entry(split={"seed": True}), ["split.seed", "True"]),
}
MISTAKES["simulated without seed"][0]["source"].pop("seed")


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_of_an_entry(tmp_path, name):
    mistaken, words = MISTAKES[name]
    message = complaint(tmp_path, {"good_one": entry(), "second": mistaken})
    assert "second" in message
    assert "good_one" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["Kang", "1st", "a/b", "../up", "a-b", ""])
def test_ids_are_safe_folder_names(tmp_path, name):
    assert "folder name" in complaint(tmp_path, {name: entry()})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "expected object"),
        ("{}", "sets.yaml"),
        ("- a", "expected object"),
        ("a: [", "expected valid YAML"),
        ("1: {}", "put it in quotes"),
        (yaml.safe_dump({"a": entry()}) * 2, "'a' is written twice"),
    ],
)
def test_mistakes_of_the_file(tmp_path, text, word):
    assert word in complaint(tmp_path, text)


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_datasets(tmp_path / "none.yaml")


def test_an_id_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"sets.yaml: found no data set 'fist'.*did you mean 'first'"):
        find_dataset(write(tmp_path, {"first": entry()}), "fist")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_kind_of_source_is_read(tmp_path, source):
    assert read_datasets(write(tmp_path, {"x": entry(source=source)}))["x"].source == source


def test_a_cellxgene_source_may_have_no_hash(tmp_path):
    good = entry(source=SOURCES["cellxgene"], sha256=REMOVE)
    assert read_datasets(write(tmp_path, {"x": good}))["x"].sha256 is None


def test_the_schema_is_closed_at_every_level():
    schema = read_yaml(ROOT / "workflow/schemas/datasets.schema.yaml")
    shapes = {name: s for name, s in schema["$defs"].items() if "properties" in s and name != "source"}
    assert len(shapes) >= 6
    assert all(s["additionalProperties"] is False for s in shapes.values())


def test_a_mistake_on_the_command_line_is_one_line(tmp_path):
    path = write(tmp_path, {"x": entry(organism="yeast")})
    command = [sys.executable, "-m", "atlas", "list", "--datasets", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: x: organism: found 'yeast'")
