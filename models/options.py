"""Options of adapters: closed names, checked values, pinned defaults. Imports nothing heavy."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from contract.errors import UserError, suggestion


def _number(default: Any, *, least: float, most: float) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, kw_only=True, slots=True)
class WidthOptions:
    """``width`` D of the embedding."""

    width: int = _number(50, least=1, most=10_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class JitterOptions:
    """Standard deviation of normal noise added to points that are one unit or more apart."""

    jitter: float = _number(0.05, least=0.0, most=1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneOptions:
    """``n_genes`` highly variable genes of the fitted cells (scanpy's flavour ``seurat`` on log counts)."""

    n_genes: int = _number(2000, least=1, most=10_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class PcaOptions:
    """Principal components of centred, unscaled log-normalised variable genes."""

    n_genes: int = _number(2000, least=1, most=10_000)
    components: int = _number(50, least=1, most=1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class HarmonyOptions:
    """Harmony on these principal components; ``theta`` is its diversity penalty."""

    n_genes: int = _number(2000, least=1, most=10_000)
    components: int = _number(50, least=1, most=1000)
    theta: float = _number(2.0, least=0.0, most=100.0)
    max_iterations: int = _number(10, least=1, most=1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankOptions:
    """Whitened components of the normal scores of the ``n_genes`` genes whose scores vary most."""

    n_genes: int = _number(20_000, least=1, most=100_000)
    components: int = _number(220, least=1, most=1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneVectorOptions:
    """``gene_vectors``: an ``.npz`` of ``genes`` and ``vectors``; ``null``: of the cells, ``width`` wide.

    ``weights`` of a gene's vector: its ``share`` of the cell's log-normalised expression, or ``plain``.
    """

    gene_vectors: str | None = None
    width: int = _number(128, least=1, most=10_000)
    weights: Literal["share", "plain"] = "share"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScTopOptions:
    """Types with fewer than ``least_cells`` labelled cells are left out (published: 100 or 50)."""

    least_cells: int = _number(1, least=1, most=1_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScviOptions:
    """scVI on counts of variable genes; ``epochs: null`` is scvi-tools' rule, min(400, 400 · 20,000 / N)."""

    n_genes: int = _number(2000, least=1, most=10_000)
    latent: int = _number(30, least=1, most=1000)
    layers: int = _number(2, least=1, most=20)
    hidden: int = _number(128, least=1, most=10_000)
    likelihood: Literal["nb", "zinb", "poisson"] = "nb"
    epochs: int | None = _number(None, least=1, most=100_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanviOptions(ScviOptions):
    """scVI as above, then ``epochs_with_labels`` with the labels that are told, and the others unknown."""

    epochs_with_labels: int = _number(10, least=1, most=100_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class CellTypistOptions:
    """The second round keeps ``top_genes`` of each type (published: 300)."""

    top_genes: int = _number(300, least=1, most=100_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class SouzaMehtaOptions:
    """As published: genes by analysis of variance between types, whitened components."""

    n_genes: int = _number(20_000, least=1, most=100_000)
    components: int = _number(220, least=1, most=10_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeOptions:
    """A transformer recipe in one of its sizes.

    ``init: random`` is the untrained twin. ``budget_cells`` is the number of cells seen in
    training, epochs × cells of the corpus; ``null`` is the recipe's own number of epochs.
    ``gene_vectors``: an ``.npz`` of ``genes`` and ``vectors`` for recipes with frozen ones; genes
    without a vector are left out. ``null``: made from the corpus. ``text_encoder``: ``module:function``
    from texts to vectors, for recipes that read texts; ``null``: hashed groups of letters, a control.
    ``parity`` brings the bugs of the published code back, where the recipe names some. ``context``: tokens
    read of a cell at most, special ones included, after a training at the size's full length (``null``).
    """

    recipe: str
    size: str
    init: Literal["trained", "random"] = "trained"
    budget_cells: int | None = _number(None, least=1, most=10**12)
    batch_size: int | None = _number(None, least=1, most=100_000)
    gene_vectors: str | None = None
    text_encoder: str | None = None
    parity: bool = False
    context: int | None = _number(None, least=1, most=1_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandOptions:
    """A program and its arguments, with ``{cells}``, ``{out}`` and ``{seed}``; ``env`` stands before it."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOptions:
    """An array of somebody's: ``path`` to an ``.npy`` or ``.h5ad``, ``{dataset}`` in it is the data set's id.

    ``obsm`` names the array of an ``.h5ad``; it may be left out where there is only one.
    """

    path: str
    obsm: str | None = None


def build(kind: type, values: Mapping[str, Any], *, where: str) -> Any:
    """Make options of a type from what a user wrote.

    Raises
    ------
    UserError
        For an unknown name, a missing one, a wrong type or a value out of range.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in fields:
            todo = suggestion(str(name), list(fields)) if fields else "this adapter has no options"
            raise UserError(f"{where}: options", found=f"unknown option {name!r}", todo=todo)
        _check(value, hints[name], fields[name].metadata, where=f"{where}: options.{name}")
    for name, known in fields.items():
        if known.default is dataclasses.MISSING and name not in values:
            raise UserError(where, found=f"no {name!r}", expected="this field", todo=f"add '{name}: …'")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _check(value: Any, hint: Any, limits: Mapping[str, Any], *, where: str) -> None:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if not any(_is(value, kind) for kind in kinds):
        raise UserError(where, found=repr(value), expected=" or ".join(_name(kind) for kind in kinds))
    if value is not None and limits and not limits["least"] <= value <= limits["most"]:
        raise UserError(where, found=repr(value), expected=f"{limits['least']} to {limits['most']}")


def _is(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return plain.get(kind, "a list of text")
