"""``datasets.yaml``: what is measured on, as frozen values. Imports neither anndata nor scanpy."""

import datetime
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from contract.catalogue import check, read_yaml
from contract.errors import UserError, suggestion

SCHEMA = Path(__file__).resolve().parent.parent / "workflow" / "schemas" / "datasets.schema.yaml"
BARCODE_SUFFIX = "barcode_suffix"
"""As ``Obs.batch``: not a column but the text after the last '-' of the cell name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Obs:
    """Which ``obs`` column holds what; ``None`` where the file does not say."""

    label: str | None = None
    ontology: str | None = None
    batch: str | None = None
    donor: str | None = None
    condition: str | None = None
    assay: str | None = None
    tissue: str | None = None
    organism: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Seed of the split by units, and the share of cells (0 to 1) that the test part should hold."""

    seed: int = 0
    test_fraction: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """One entry of ``datasets.yaml``; the words are explained in its schema.

    ``label_agreement``: ``value``, the share (0 to 1) of ``n`` cells that another published set of labels
    names alike, and its ``source``; null where no second set is known.
    """

    id: str
    title: str
    source: dict[str, Any]
    license: str
    citation: str
    organism: Literal["human", "mouse"]
    gene_ids: Literal["ensembl", "symbol"]
    total_counts: str
    obs: Obs
    label_source: str
    public_since: str
    tasks: tuple[str, ...]
    units: Literal["donor", "batch", "none"]
    sha256: str | None = None
    gene_column: str | None = None
    counts: Literal["matrix", "log1p_of_1e4"] = "matrix"
    ontology_map: dict[str, str] = field(default_factory=dict)
    where: dict[str, list[str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    orthologues: str | None = None
    split: Split = field(default_factory=Split)
    note: str = ""
    label_agreement: dict[str, Any] | None = None


def read_datasets(path: Path) -> dict[str, Dataset]:
    """Read and check a catalogue: id → ``Dataset``, in the order of the file.

    Raises
    ------
    UserError
        One line that names the file, the entry and the field of the first mistake.
    """
    path = Path(path)
    entries = read_yaml(path)
    schema = _schema()
    check(entries, {key: schema[key] for key in ("type", "minProperties")}, where=str(path))
    return {str(name): _dataset(name, entry, where=f"{path}: {name}") for name, entry in entries.items()}


def find_dataset(path: Path, dataset: str) -> Dataset:
    """Read one entry of a catalogue; an id that is not there is a ``UserError`` with the known ones."""
    datasets = read_datasets(path)
    if dataset not in datasets:
        raise UserError(
            str(path),
            found=f"no data set {dataset!r}",
            expected="an id of this file",
            todo=suggestion(dataset, list(datasets)),
        )
    return datasets[dataset]


def as_entry(dataset: Dataset) -> dict[str, Any]:
    """A data set as ``datasets.yaml`` writes it under its id: what is not said is the default."""
    return {name: value for name, value in _said(dataset).items() if name != "id"}


def _said(value: Any) -> Any:
    if not is_dataclass(value):
        return list(value) if isinstance(value, tuple) else value
    held = {field: getattr(value, field.name) for field in fields(value)}
    return {field.name: _said(inner) for field, inner in held.items() if inner != _default(field)}


def _default(field: Field) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default


@cache
def _schema() -> dict[str, Any]:
    return read_yaml(SCHEMA)


def _dataset(name: Any, entry: Any, *, where: str) -> Dataset:
    schema = _schema()
    check(name, {"type": "string", **schema["propertyNames"]}, where=f"{where}: id")
    check(entry, {"$ref": "#/$defs/dataset", "$defs": schema["$defs"]}, where=where)
    obs = Obs(**entry["obs"])
    default = "donor" if obs.donor else "batch" if obs.batch else "none"
    special = {
        "obs": obs,
        "tasks": tuple(entry["tasks"]),
        "missing": tuple(entry.get("missing", ())),
        "split": Split(**entry.get("split", {})),
        "units": entry.get("units", default),
    }
    dataset = Dataset(id=name, **{**entry, **special})
    for rule in (_check_source, _check_hash, _check_columns, _check_labels, _check_counts, _check_date):
        rule(dataset, where)
    return dataset


def _check_source(dataset: Dataset, where: str) -> None:
    source = dataset.source
    if "path" in source:
        text = source["path"]
        posix, windows = PurePosixPath(text), PureWindowsPath(text)
        if posix.is_absolute() or windows.drive or "\\" in text or ".." in posix.parts or text[0] == "~":
            raise UserError(
                f"{where}: source.path",
                found=repr(text),
                expected="a path below the data folder, without '..', '~' or backslash",
                todo="name the folder with --data (or --config data=DIR) and the rest here",
            )
    if source["kind"] == "soma" and ("path" in source) == ("census" in source):
        raise UserError(
            f"{where}: source",
            found="both 'path' and 'census'" if "path" in source else "neither 'path' nor 'census'",
            expected="one: a local experiment, or a release of the CELLxGENE Census",
        )
    if source["kind"] == "cellxgene" and not {"dataset_id", "dataset_version_id"} & set(source):
        raise UserError(
            f"{where}: source",
            found="neither 'dataset_id' nor 'dataset_version_id'",
            expected="at least one of them",
            todo="copy it from the data set's page on CELLxGENE Discover",
        )


def _check_hash(dataset: Dataset, where: str) -> None:
    kind = dataset.source["kind"]
    if kind in ("file", "scanpy") and dataset.sha256 is None:
        raise UserError(
            where,
            found=f"no 'sha256' for a source of kind {kind!r}",
            expected="the SHA-256 of the h5ad",
            todo="run 'sha256sum FILE' and add 'sha256: \"…\"'",
        )
    if kind == "simulated" and dataset.sha256 is not None:
        raise UserError(
            f"{where}: sha256",
            found="a hash for simulated cells",
            expected="none: the seed and the parameters pin them",
            todo="remove it",
        )


def _check_columns(dataset: Dataset, where: str) -> None:
    obs = dataset.obs
    for hidden in ("label", "ontology", "condition"):
        for shown in ("batch", "donor", "assay", "tissue", "organism"):
            column = getattr(obs, hidden)
            if column is not None and column == getattr(obs, shown):
                raise UserError(
                    f"{where}: obs.{hidden}",
                    found=f"the column {column!r}, which is also obs.{shown}",
                    expected=f"two columns: a model is shown the {shown}, and never the {hidden}",
                    todo="remove one of the two",
                )
    if dataset.units != "none" and getattr(obs, dataset.units) is None:
        raise UserError(
            f"{where}: units",
            found=f"{dataset.units!r}, but no obs.{dataset.units}",
            expected=f"obs.{dataset.units} to name a column",
            todo=f"add it, or write 'units: {'batch' if obs.batch else 'none'}'",
        )


def _check_labels(dataset: Dataset, where: str) -> None:
    obs = dataset.obs
    asking = [task for task in dataset.tasks if task in ("annotation", "mapping", "novelty")]
    if asking and obs.label is None:
        raise UserError(
            f"{where}: tasks",
            found=f"{asking[0]!r}, but no obs.label",
            expected="obs.label to name the column of cell types",
            todo=f"add it, or take {asking[0]} out of tasks",
        )
    if obs.label is None and dataset.label_agreement is not None:
        raise UserError(
            f"{where}: label_agreement", found="no obs.label", expected="labels that others agree with or not"
        )
    if (obs.organism is None) != (dataset.orthologues is None):
        raise UserError(
            f"{where}: orthologues",
            found=f"{dataset.orthologues!r} with obs.organism {obs.organism!r}",
            expected="both, where cells of two species share genes, or neither",
        )
    if (obs.label is None) != (dataset.label_source == "none"):
        raise UserError(
            f"{where}: label_source",
            found=f"{dataset.label_source!r} with obs.label {obs.label!r}",
            expected="'none' exactly when obs.label is absent",
        )
    if (dataset.source["kind"] == "simulated") != (dataset.label_source == "simulated"):
        raise UserError(
            f"{where}: label_source",
            found=f"{dataset.label_source!r} with a source of kind {dataset.source['kind']!r}",
            expected="'simulated' exactly for simulated sources",
        )
    if dataset.ontology_map and obs.ontology is not None:
        raise UserError(
            f"{where}: ontology_map",
            found="both obs.ontology and ontology_map",
            expected="one of them",
            todo="keep obs.ontology if its ids are right",
        )


def _check_counts(dataset: Dataset, where: str) -> None:
    if dataset.counts == "log1p_of_1e4" and not dataset.total_counts.startswith("obs:"):
        raise UserError(
            f"{where}: total_counts",
            found=f"{dataset.total_counts!r} with counts 'log1p_of_1e4'",
            expected="obs:<column> with each cell's total, without which counts cannot be recovered",
        )


def _check_date(dataset: Dataset, where: str) -> None:
    padded = dataset.public_since + "-01-01"[len(dataset.public_since) - 4 :]
    try:
        datetime.date.fromisoformat(padded)
    except ValueError as error:
        raise UserError(
            f"{where}: public_since", found=repr(dataset.public_since), expected=f"a date ({error})"
        ) from None
