"""``models.yaml``: who competes, as frozen values. Imports neither numpy nor torch."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from contract.catalogue import check, read_yaml
from contract.errors import UserError, suggestion
from models.card import ModelCard
from models.finetune_options import trained_as
from models.options import build
from models.recipe_check import check_recipe
from models.recipe_labels import learns_types
from models.registry import ADAPTERS, Adapter, user_class

SCHEMA = Path(__file__).resolve().parent.parent / "workflow" / "schemas" / "models.schema.yaml"
OUTSIDE_TOLERANCE = 1e-4
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
    value = read_yaml(path)
    schema = _schema()
    outline = {key: schema[key] for key in ("type", "additionalProperties", "required")}
    parts = {"corpora": {"type": "object"}, "models": {"type": "object", "minProperties": 1}}
    check(value, outline | {"properties": parts}, where=str(path))
    corpora = {
        name: _corpus(name, entry, where=f"{path}: corpora.{name}")
        for name, entry in value.get("corpora", {}).items()
    }
    contestants = {
        name: _contestant(name, entry, corpora, folder=path.parent, where=f"{path}: {name}")
        for name, entry in value["models"].items()
    }
    for name, contestant in contestants.items():
        found = trained_as(contestant, contestants, where=f"{path}: {name}")
        contestants[name] = dataclasses.replace(contestant, trained_as=found)
    return Catalogue(contestants=contestants, corpora=corpora)


def find_contestant(path: Path, name: str) -> tuple[Contestant, Catalogue]:
    """One entry of a catalogue, and the catalogue; an unknown name is a ``UserError`` with the known ones."""
    catalogue = read_models(path)
    if name not in catalogue.contestants:
        todo = suggestion(name, list(catalogue.contestants))
        raise UserError(str(path), found=f"no model {name!r}", todo=todo)
    return catalogue.contestants[name], catalogue


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
    adapter_name = _adapter_name(entry, where=where)
    adapter = _adapter(adapter_name, where=where)
    options = _options(adapter_name, adapter, entry, folder=folder, where=where)
    if adapter.labelled and "head" in entry:
        raise UserError(f"{where}: head", found=f"beside adapter {adapter_name!r}", todo="leave it out")
    corpus = _corpus_of(name, entry, adapter_name, adapter, corpora, where=where)
    card = _card(name, entry, adapter_name, adapter, where=where)
    if corpus:
        untrained, told = options.get("init") == "random", learns_types(options)
        card = _trained_card(card, corpora[corpus], untrained=untrained, told=told)
    return Contestant(
        name=name,
        title=entry.get("title", card.name),
        adapter=adapter_name,
        target=adapter.target,
        options=options,
        corpus=corpus,
        fits=_fits(entry, adapter, corpus, where=where),
        stochastic=_stochastic(entry, adapter_name, adapter, where=where),
        control=adapter.control,
        needs_truth=adapter.needs_truth,
        resumable=adapter.resumable,
        timeout=entry.get("timeout"),
        card=card,
        labelled=adapter.labelled or "head" in entry,
        embeds=adapter.embeds and "head" not in entry and options.get("finetune") != "head",
        head=None if adapter.labelled else entry.get("head", DEFAULT_HEAD),
    )


def _adapter_name(entry: Mapping[str, Any], *, where: str) -> str:
    if "recipe" in entry and entry.get("adapter", "recipe") != "recipe":
        found = f"beside adapter {entry['adapter']!r}"
        raise UserError(f"{where}: recipe", found=found, todo="leave out one of the two")
    if "recipe" in entry:
        return "finetuned" if "finetune" in entry else "recipe"
    if "adapter" not in entry:
        raise UserError(
            where,
            found="neither 'adapter' nor 'recipe'",
            expected="one of them",
            todo=f"add 'adapter: …', one of {', '.join(ADAPTERS)} or module:Class",
        )
    return entry["adapter"]


def _adapter(name: str, *, where: str) -> Adapter:
    if name in ADAPTERS:
        return ADAPTERS[name]
    module, colon, attr = name.partition(":")
    if colon and attr.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return user_class(name)
    raise UserError(f"{where}: adapter", found=repr(name), todo=suggestion(name, [*ADAPTERS, "module:Class"]))


def _options(
    name: str, adapter: Adapter, entry: Mapping[str, Any], *, folder: Path, where: str
) -> dict[str, Any]:
    """Options with their defaults; fields that stand beside ``options`` in the file are put among them."""
    beside = {
        "recipe": ("recipe", "size"),
        "finetuned": ("recipe", "size", "finetune"),
        "command": ("command", "env"),
        "file": ("path",),
    }
    for key in ("recipe", "size", "finetune", "command", "env", "path"):
        if key in entry and key not in beside.get(name, ()):
            raise UserError(f"{where}: {key}", found=f"beside adapter {name!r}", todo="leave it out")
    given = dict(entry.get("options", {}))
    if adapter.options is dict:
        return given
    for key in beside.get(name, ()):
        if key in given:
            raise UserError(
                f"{where}: options.{key}", found="an option", todo=f"write '{key}' beside 'options'"
            )
        if key in entry:
            given[key] = entry[key]
    options = dataclasses.asdict(build(adapter.options, given, where=where))
    if "recipe" in options:
        check_recipe(options, where=where)
    if options.get("gene_vectors") is not None:
        options["gene_vectors"] = os.path.normpath(folder / options["gene_vectors"])
    if name == "file":
        options["path"] = os.path.normpath(folder / options["path"])
    if name == "command" and not any("{out}" in word for word in options["command"]):
        raise UserError(f"{where}: command", found="no {out}", expected="where to write the array")
    return options


def _corpus_of(
    name: str,
    entry: Mapping[str, Any],
    adapter_name: str,
    adapter: Adapter,
    corpora: Mapping[str, Corpus],
    *,
    where: str,
) -> str | None:
    corpus = entry.get("corpus")
    if corpus is None:
        if "@" in name:
            raise UserError(where, found=f"@{name.split('@')[1]} but no 'corpus'", todo="add 'corpus: …'")
        if adapter_name in ("recipe", "finetuned"):
            raise UserError(where, found="no 'corpus'", expected="what it is trained on", todo="add it")
        return None
    if corpus not in corpora:
        raise UserError(f"{where}: corpus", found=repr(corpus), todo=suggestion(corpus, list(corpora)))
    if not adapter.saves:
        found = f"adapter {adapter_name!r}"
        raise UserError(f"{where}: corpus", found=found, expected="one that can be trained on a corpus")
    if name.partition("@")[2] != corpus:
        wanted = f"{name.partition('@')[0]}@{corpus}"
        raise UserError(f"{where}: id", found=repr(name), expected=repr(wanted), todo="name its corpus")
    return corpus


def _fits(entry: Mapping[str, Any], adapter: Adapter, corpus: str | None, *, where: str) -> tuple[str, ...]:
    default = ("none",) if "none" in adapter.fits else adapter.fits
    if corpus and not adapter.labelled:  # trained there, it is used here as it is
        default = ("none",)
    possible = default if corpus else adapter.fits
    fits = tuple(entry.get("fits", default))
    for fit in fits:
        if fit not in possible:
            raise UserError(f"{where}: fits", found=repr(fit), expected=f"some of {', '.join(possible)}")
    return fits


def _stochastic(entry: Mapping[str, Any], name: str, adapter: Adapter, *, where: str) -> bool:
    if "stochastic" in entry and adapter.card is not None:
        found = f"beside adapter {name!r}"
        raise UserError(f"{where}: stochastic", found=found, todo="leave it out, the adapter knows")
    return entry.get("stochastic", adapter.stochastic)


def _card(
    name: str, entry: Mapping[str, Any], adapter_name: str, adapter: Adapter, *, where: str
) -> ModelCard:
    if adapter.card is not None:
        if "card" in entry:
            raise UserError(
                f"{where}: card",
                found=f"beside adapter {adapter_name!r}",
                todo="leave it out, the adapter has one",
            )
        return adapter.card
    if "card" not in entry:
        raise UserError(
            where,
            found="no 'card'",
            expected="source, revision, license, pretrained_on and saw of an outside model",
            todo="add 'card: {…}'",
        )
    return ModelCard(**{"name": name, "equivariance_tolerance": OUTSIDE_TOLERANCE, **entry["card"]})


def _trained_card(card: ModelCard, corpus: Corpus, *, untrained: bool, told: bool) -> ModelCard:
    saw = set(card.saw) - {"pretraining"} if untrained else {*card.saw, "pretraining"}
    saw |= {"pretraining_labels"} if told else set()
    return dataclasses.replace(card, pretrained_on=tuple(corpus.datasets), saw=tuple(saw))
