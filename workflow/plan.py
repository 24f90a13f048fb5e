"""Which runs a study needs: a pure function of its catalogues."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from atlas.catalogue import Dataset
from contract.errors import UserError, suggestion
from models.catalogue import Catalogue, Contestant
from models.registry import ADAPTERS
from tasks.study import Study
from workflow.fingerprint import module_file

STREAMS = frozenset(
    {"noise", "constant", "random_projection", "shuffled", "batch_only", "oracle", "ontology_oracle"}
    | {"hvg", "pca", "harmony", "rank_pca", "weighted_vectors", "recipe", "scvi"}
)
"""Adapters that read the cells a block at a time: a file need not fit into their memory."""
HELD = dict.fromkeys(STREAMS, 1) | {"scvi": 3}
"""How many times the size of the cells' file is asked for; scVI holds its genes twice, gathering them."""


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


@dataclass(frozen=True, order=True, slots=True)
class Prediction:
    """One contestant that learns from labels by a study's protocol, on one data set, with one seed."""

    study: str
    dataset: str
    model: str
    seed: int

    @property
    def folder(self) -> str:
        """Where it lies under ``results/``."""
        return f"predictions/{self.study}/{self.dataset}/{self.model}/seed-{self.seed}"


def predictions(study: Study, contestants: Mapping[str, Contestant]) -> list[Prediction]:
    """All predictions of a study, of every contestant that can be given labels."""
    return [
        Prediction(study.id, dataset, name, seed)
        for dataset in (study.datasets if study.by_protocol else ())
        for name in study.models
        if contestants[name].predicts
        for seed in _seeds(study, contestants[name])
    ]


def runs(study: Study, contestants: Mapping[str, Contestant]) -> list[Run]:
    """All embeddings of a study.

    There are none where no task asks for one, nor of contestants that only learn from labels.
    """
    return [
        Run(dataset, name, fit, seed)
        for dataset in (study.datasets if study.embedded else ())
        for name in study.models
        if contestants[name].embeds
        for fit in contestants[name].fits
        for seed in _seeds(study, contestants[name])
    ]


def _seeds(study: Study, contestant: Contestant) -> tuple[int, ...]:
    """Seed 0 alone where others would change nothing, and for controls: no verdict rests on them."""
    return study.seeds if contestant.stochastic and not contestant.control else study.seeds[:1]


def check_references(
    study: Study, datasets: Mapping[str, Dataset], catalogue: Catalogue, *, models: str = "models.yaml"
) -> None:
    """Each name in a study, and each member of a corpus it uses, stands in the catalogues.

    ``models`` is the path of the catalogue of contestants, for messages.

    Raises
    ------
    UserError
        For the first name that does not, with the nearest one that does; or for a class of the
        user's whose module is nowhere to be found.
    """
    for name in study.datasets:
        _known(name, datasets, f"{study.path}: datasets")
    for name in study.models:
        _known(name, catalogue.contestants, f"{study.path}: models")
    for corpus in used_corpora(study, catalogue.contestants):
        for member in catalogue.corpora[corpus].datasets:
            _known(member, datasets, f"{models}: corpora.{corpus}: datasets")
    for name in study.models:
        _check_module(catalogue.contestants[name], f"{models}: {name}: adapter")
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


def _check_module(contestant: Contestant, where: str) -> None:
    if contestant.adapter not in ADAPTERS and module_file(contestant.target.partition(":")[0]) is None:
        raise UserError(
            where,
            found=f"{contestant.target!r}, whose module cannot be found",
            expected="module:Class",
            todo="correct the name, install it, or set PYTHONPATH to the folder that holds it",
        )


def used_corpora(study: Study, contestants: Mapping[str, Contestant]) -> list[str]:
    """Names of the corpora that a study's contestants were trained on, each once."""
    named = (contestants[name].corpus for name in study.models)
    return sorted({corpus for corpus in named if corpus})


def as_text(entry: Any) -> str:
    """One line that changes when an entry does: a parameter for Snakemake's re-run trigger."""
    value = asdict(entry) if is_dataclass(entry) else entry
    return json.dumps(value, sort_keys=True, default=str)
