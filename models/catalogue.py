"""``models.yaml``: who competes, as frozen values. Imports neither numpy nor torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from contract.catalogue import check, read_yaml
from contract.errors import UserError, suggestion
from models.card import ModelCard
from models.entry import (
    adapter_called,
    adapter_name,
    card_of,
    corpus_of,
    fits_of,
    is_stochastic,
    options_of,
    trained_card,
)
from models.finetune_options import trained_as
from models.recipe_labels import learns_types

SCHEMA = Path(__file__).resolve().parent.parent / "workflow" / "schemas" / "models.schema.yaml"
DEFAULT_HEAD = "logistic"
"""The classifier on the embedding of a contestant that is given labels and names no other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Cells that contestants are trained on: data set id → ``train`` (its training units) or ``all``."""

    datasets: dict[str, str]
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """One entry of ``models.yaml``.

    ``target`` is the ``module:attr`` that runs. ``options`` are checked and complete. ``fits`` says on
    whose counts it is fitted, one run each; with a ``corpus`` that is ``none`` but for who is fine-tuned.
    ``timeout`` is in seconds. ``card`` is what is known before it runs. ``labelled``: it learns from
    labels of training cells and predicts. ``embeds``: it can be asked for an embedding. ``head`` is the
    classifier that stands on its embedding where it is given labels; null where it has its own.
    ``trained_as``: whose training on the corpus it starts from, its own but where it is fine-tuned.
    """

    name: str
    title: str
    adapter: str
    target: str
    options: dict[str, Any]
    corpus: str | None
    fits: tuple[str, ...]
    stochastic: bool
    control: bool
    needs_truth: bool
    resumable: bool
    timeout: float | None
    card: ModelCard
    labelled: bool = False
    embeds: bool = True
    head: str | None = DEFAULT_HEAD
    trained_as: str | None = None

    @property
    def predicts(self) -> bool:
        """Whether it can be given labels: not where it is handed the truth, or sees the test cells."""
        return not self.needs_truth and (self.labelled or set(self.fits) != {"all"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """All contestants and corpora of a file, by name, in its order."""

    contestants: dict[str, Contestant]
    corpora: dict[str, Corpus]


def read_models(path: Path) -> Catalogue:
    """Read and check a catalogue of contestants.

    Raises
    ------
    UserError
        One line that names the file, the entry and the field of the first mistake.
    """
    path = Path(path)
    value = _outline(path)
    return _catalogue(path, value.get("corpora", {}), value["models"])


def find_contestant(path: Path, name: str) -> tuple[Contestant, Catalogue]:
    """One entry of a catalogue, and a catalogue of it and of those that share its recipe.

    The rest is not checked: every job asks, and to read all recipes takes 0.4 s. An unknown name is a
    ``UserError`` with the known ones.
    """
    path = Path(path)
    value = _outline(path)
    entries = value["models"]
    if name not in entries:
        raise UserError(str(path), found=f"no model {name!r}", todo=suggestion(name, list(entries)))
    wanted = {name, *(key for key in entries if _recipe(entries[key]) == _recipe(entries[name]) is not None)}
    alike = {key: entry for key, entry in entries.items() if key in wanted}
    catalogue = _catalogue(path, value.get("corpora", {}), alike)
    return catalogue.contestants[name], catalogue


def _recipe(entry: Any) -> Any:
    return entry.get("recipe") if isinstance(entry, dict) else None


def _outline(path: Path) -> dict[str, Any]:
    value, schema = read_yaml(path), _schema()
    outline = {key: schema[key] for key in ("type", "additionalProperties", "required")}
    parts = {"corpora": {"type": "object"}, "models": {"type": "object", "minProperties": 1}}
    check(value, outline | {"properties": parts}, where=str(path))
    return value


def _catalogue(path: Path, corpora: Mapping[Any, Any], entries: Mapping[Any, Any]) -> Catalogue:
    of = {name: _corpus(name, entry, where=f"{path}: corpora.{name}") for name, entry in corpora.items()}
    contestants = {
        name: _contestant(name, entry, of, folder=path.parent, where=f"{path}: {name}")
        for name, entry in entries.items()
    }
    for name, contestant in contestants.items():
        found = trained_as(contestant, contestants, where=f"{path}: {name}")
        contestants[name] = dataclasses.replace(contestant, trained_as=found)
    return Catalogue(contestants=contestants, corpora=of)


@cache
def _schema() -> dict[str, Any]:
    return read_yaml(SCHEMA)


def _part(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}", "$defs": _schema()["$defs"]}


def _corpus(name: Any, entry: Any, *, where: str) -> Corpus:
    check(name, _part("corpus_id"), where=f"{where}: id")
    check(entry, _part("corpus"), where=where)
    return Corpus(**entry)


def _contestant(
    name: Any, entry: Any, corpora: Mapping[str, Corpus], *, folder: Path, where: str
) -> Contestant:
    check(name, _part("model_id"), where=f"{where}: id")
    check(entry, _part("entry"), where=where)
    called = adapter_name(entry, where=where)
    adapter = adapter_called(called, where=where)
    options = options_of(called, adapter, entry, folder=folder, where=where)
    if adapter.labelled and "head" in entry:
        raise UserError(f"{where}: head", found=f"beside adapter {called!r}", todo="leave it out")
    corpus = corpus_of(name, entry, called, adapter, corpora, where=where)
    card = card_of(name, entry, called, adapter, where=where)
    if corpus:
        untrained, told = options.get("init") == "random", learns_types(options)
        card = trained_card(card, corpora[corpus].datasets, untrained=untrained, told=told)
    return Contestant(
        name=name,
        title=entry.get("title", card.name),
        adapter=called,
        target=adapter.target,
        options=options,
        corpus=corpus,
        fits=fits_of(entry, adapter, corpus, where=where),
        stochastic=is_stochastic(entry, called, adapter, where=where),
        control=adapter.control,
        needs_truth=adapter.needs_truth,
        resumable=adapter.resumable,
        timeout=entry.get("timeout"),
        card=card,
        labelled=adapter.labelled or "head" in entry,
        embeds=adapter.embeds and "head" not in entry and options.get("finetune") != "head",
        head=None if adapter.labelled else entry.get("head", DEFAULT_HEAD),
    )
