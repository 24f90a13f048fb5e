"""From a catalogue entry to an embedder, ready to be fitted or used."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import UserError
from models.options import build
from models.registry import ADAPTERS

if TYPE_CHECKING:
    import pandas as pd

    from models.labelled import Labelled
    from models.protocol import Embedder, Trainable


def construct(
    contestant: Mapping[str, Any],
    *,
    seed: int,
    truth: "pd.DataFrame | None" = None,
    workdir: Path | None = None,
    labels: "pd.DataFrame | None" = None,
) -> "Embedder":
    """Make the embedder of an entry; its class gets what its adapter asks for, and no more.

    Raises
    ------
    UserError
        If a class of the user's cannot be imported, does not take the options, or is no embedder.
    """
    kind, name = load_class(contestant["target"]), contestant["name"]
    adapter = ADAPTERS.get(contestant["adapter"])
    if adapter is None:
        return _construct_foreign(kind, contestant["options"], where=name)
    given: dict[str, Any] = {}
    if adapter.seeded:
        given["seed"] = seed
    if adapter.needs_truth:
        given["truth"] = truth
    if adapter.resumable:
        given["workdir"] = workdir
    if labels is not None:
        given["labels"] = labels
    return kind(build(adapter.options, contestant["options"], where=name), **given)


def construct_labelled(contestant: Mapping[str, Any], *, state: Path | None, workdir: Path) -> "Labelled":
    """Make a contestant that is given labels; ``state`` is what training on a corpus left, if anything."""
    kind, name = load_class(contestant["target"]), contestant["name"]
    given: dict[str, Any] = {} if state is None else {"checkpoint": state}
    if contestant["resumable"]:
        given["workdir"] = workdir
    adapter = ADAPTERS.get(contestant["adapter"])
    if adapter is None:
        return kind(**contestant["options"], **given)
    return kind(build(adapter.options, contestant["options"], where=name), **given)


def restore(contestant: Mapping[str, Any], state: Path) -> "Trainable":
    """Load what was trained on a corpus, to read as much of a cell as the entry says.

    A class that cannot be loaded is a ``UserError``.
    """
    kind = load_class(contestant["target"])
    require_trainable(kind, where=contestant["name"])
    if contestant["adapter"] == "recipe":
        return kind.load(state, context=contestant["options"]["context"])
    return kind.load(state)


def load_class(target: str) -> Any:
    """Import ``module:attr``.

    Raises
    ------
    UserError
        If there is no such module or no such name in it. Errors inside the module pass through.
    """
    module_name, _, attr = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"adapter {target}", found=f"no module {error.name!r}", todo="install it, or set PYTHONPATH"
        ) from None
    if not hasattr(module, attr):
        raise UserError(f"adapter {target}", found=f"no {attr!r} in {module_name}", todo="correct the name")
    return getattr(module, attr)


def require_trainable(kind: Any, *, where: str) -> None:
    """Raise a ``UserError`` unless a class has ``save`` and ``load``."""
    missing = [name for name in ("save", "load") if not callable(getattr(kind, name, None))]
    if missing:
        raise UserError(where, found=f"no method {missing[0]!r}", expected="one: it is trained on a corpus")


def _construct_foreign(kind: Any, options: Mapping[str, Any], *, where: str) -> "Embedder":
    try:
        embedder = kind(**options)
    except TypeError as error:
        raise UserError(f"{where}: options", found=str(error), todo="correct the options") from None
    missing = [name for name in ("fit", "embed") if not callable(getattr(embedder, name, None))]
    if missing:
        raise UserError(where, found=f"no method {missing[0]!r}", expected="card, fit and embed")
    return embedder
