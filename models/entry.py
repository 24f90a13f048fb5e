"""What an entry of ``models.yaml`` says: adapter, options, corpus, card; a mistake is a ``UserError``."""

import dataclasses
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from contract.errors import UserError, suggestion
from models.card import ModelCard
from models.options import build
from models.recipe_check import check_recipe
from models.registry import ADAPTERS, Adapter, user_class

OUTSIDE_TOLERANCE = 1e-4


def adapter_name(entry: Mapping[str, Any], *, where: str) -> str:
    """Name of the adapter that runs an entry: the one it names, or that of recipes."""
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


def adapter_called(name: str, *, where: str) -> Adapter:
    """One of ours, or a class of the user's."""
    if name in ADAPTERS:
        return ADAPTERS[name]
    module, colon, attr = name.partition(":")
    if colon and attr.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return user_class(name)
    raise UserError(f"{where}: adapter", found=repr(name), todo=suggestion(name, [*ADAPTERS, "module:Class"]))


def options_of(
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


def corpus_of(
    name: str,
    entry: Mapping[str, Any],
    adapter_name: str,
    adapter: Adapter,
    corpora: Collection[str],
    *,
    where: str,
) -> str | None:
    """The corpus an entry is trained on, which its name must tell; null where there is none."""
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


def fits_of(entry: Mapping[str, Any], adapter: Adapter, corpus: str | None, *, where: str) -> tuple[str, ...]:
    """On whose counts an entry is fitted, one run each."""
    default = ("none",) if "none" in adapter.fits else adapter.fits
    if corpus and not adapter.labelled:  # trained there, it is used here as it is
        default = ("none",)
    possible = default if corpus else adapter.fits
    fits = tuple(entry.get("fits", default))
    for fit in fits:
        if fit not in possible:
            raise UserError(f"{where}: fits", found=repr(fit), expected=f"some of {', '.join(possible)}")
    return fits


def is_stochastic(entry: Mapping[str, Any], name: str, adapter: Adapter, *, where: str) -> bool:
    """Whether another seed gives another embedding."""
    if "stochastic" in entry and adapter.card is not None:
        found = f"beside adapter {name!r}"
        raise UserError(f"{where}: stochastic", found=found, todo="leave it out, the adapter knows")
    return entry.get("stochastic", adapter.stochastic)


def card_of(
    name: str, entry: Mapping[str, Any], adapter_name: str, adapter: Adapter, *, where: str
) -> ModelCard:
    """The adapter's card, or that of the entry, which an outside model must have."""
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


def trained_card(card: ModelCard, datasets: Collection[str], *, untrained: bool, told: bool) -> ModelCard:
    """The card of what is trained on these data sets; ``told``: with the types of their cells."""
    saw = set(card.saw) - {"pretraining"} if untrained else {*card.saw, "pretraining"}
    saw |= {"pretraining_labels"} if told else set()
    return dataclasses.replace(card, pretrained_on=tuple(datasets), saw=tuple(saw))
