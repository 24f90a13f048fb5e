"""From ``--config study=… datasets=… models=… data=…`` to checked catalogues."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atlas.catalogue import Dataset, read_datasets
from contract.errors import UserError, suggestion
from models.catalogue import Catalogue, read_models
from tasks.study import Study, read_study
from workflow.plan import check_references

KEYS = ("study", "datasets", "models", "data")


@dataclass(frozen=True, kw_only=True, slots=True)
class Paths:
    """The three YAML files, and the folder that holds a user's own h5ad files, if any."""

    study: Path
    datasets: Path
    models: Path
    data: Path | None

    def local_file(self, dataset: Dataset) -> str | None:
        """Path of the user's file behind a data set, if it has one and it exists."""
        if dataset.source["kind"] != "file" or self.data is None:
            return None
        path = self.data / dataset.source["path"]
        return str(path) if path.is_file() else None


def paths(config: Mapping[str, object], *, home: Path) -> Paths:
    """Resolve ``--config``; a path is looked for here first, then in the repository.

    Raises
    ------
    UserError
        For a key that nobody reads, a number, or a data folder that is not there.
    """
    for key in config:
        if key not in KEYS:
            raise UserError("--config", found=f"unknown key {key!r}", todo=suggestion(key, list(KEYS)))
        if not isinstance(config[key], str):
            raise UserError(
                f"--config {key}",
                found=f"{config[key]!r}, which Snakemake reads as a value",
                expected="a path",
                todo=f"write {key}=./…",
            )
    data = Path(config["data"]) if "data" in config else None
    if data is not None and not data.is_dir():
        raise UserError("--config data", found=str(data), expected="a folder of h5ad files")
    return Paths(
        study=_find(config.get("study", "studies/demo.yaml"), home),
        datasets=_find(config.get("datasets", "datasets.yaml"), home),
        models=_find(config.get("models", "models.yaml"), home),
        data=data,
    )


def _find(name: str, home: Path) -> Path:
    path = Path(name)
    return path if path.is_file() or path.is_absolute() or not (home / path).is_file() else home / path


def read(config: Mapping[str, str], *, home: Path) -> tuple[Study, dict[str, Dataset], Catalogue, Paths]:
    """Read and cross-check the three catalogues; raises ``UserError`` for the first mistake."""
    where = paths(config, home=home)
    study = read_study(where.study)
    datasets = read_datasets(where.datasets)
    catalogue = read_models(where.models)
    check_references(study, datasets, catalogue, models=str(where.models))
    return study, datasets, catalogue, where


def load(config: Mapping[str, str], *, home: Path) -> tuple[Study, dict[str, Dataset], Catalogue, Paths]:
    """Like ``read``, for the Snakefile: a user's mistake ends the program with one line."""
    try:
        return read(config, home=home)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
