"""Which runs a study needs: a pure function of its catalogues."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from models.catalogue import Catalogue, Contestant
from tasks.study import Study

from atlas.catalogue import Dataset
from contract.errors import UserError, suggestion


@dataclass(frozen=True, order=True, slots=True)
class Run:
    """One embedding: which contestant, on which data set, fitted on what, with which seed."""

    dataset: str
    model: str
    fit: str
    seed: int

    @property
    def folder(self) -> str:
        """Where it lies under ``results/``."""
        return f"embeddings/{self.dataset}/{self.model}/fit-{self.fit}/seed-{self.seed}"


def runs(study: Study, contestants: Mapping[str, Contestant]) -> list[Run]:
    """All embeddings of a study; deterministic contestants run once, with seed 0."""
    return [
        Run(dataset, name, fit, seed)
        for dataset in study.datasets
        for name in study.models
        for fit in contestants[name].fits
        for seed in (study.seeds if contestants[name].stochastic else study.seeds[:1])
    ]


def check_references(study: Study, datasets: Mapping[str, Dataset], catalogue: Catalogue) -> None:
    """Each name in a study, and each member of a corpus it uses, stands in the catalogues.

    Raises
    ------
    UserError
        For the first name that does not, with the nearest one that does.
    """
    for name in study.datasets:
        _known(name, datasets, f"{study.path}: datasets")
    for name in study.models:
        _known(name, catalogue.contestants, f"{study.path}: models")
    for corpus in used_corpora(study, catalogue.contestants):
        for member in catalogue.corpora[corpus].datasets:
            _known(member, datasets, f"models catalogue: corpora.{corpus}")
    for dataset in study.datasets:
        if not set(study.tasks) & set(datasets[dataset].tasks):
            raise UserError(
                f"{study.path}: datasets",
                found=f"{dataset}, whose tasks are {', '.join(datasets[dataset].tasks)}",
                expected=f"at least one of the study's: {', '.join(study.tasks)}",
            )


def _known(name: str, known: Mapping[str, Any], where: str) -> None:
    if name not in known:
        raise UserError(where, found=repr(name), todo=suggestion(name, list(known)))


def used_corpora(study: Study, contestants: Mapping[str, Contestant]) -> list[str]:
    """Names of the corpora that a study's contestants were trained on, each once."""
    named = (contestants[name].corpus for name in study.models)
    return sorted({corpus for corpus in named if corpus})


def as_text(entry: Any) -> str:
    """One line that changes when an entry does: a parameter for Snakemake's re-run trigger."""
    value = asdict(entry) if is_dataclass(entry) else entry
    return json.dumps(value, sort_keys=True, default=str)
