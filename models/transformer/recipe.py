"""A recipe: a YAML file of choices with a closed schema → a frozen ``Design``."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from models.transformer.block import Activation, Norm
from models.transformer.errors import RecipeError
from models.transformer.tokenise import Norm as Score

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokeniser:
    """How counts become tokens."""

    kind: Literal["rank"]
    norm: Score
    min_cells: int
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """What all sizes of the network share."""

    norm: Norm
    activation: Activation
    eps: float
    init_std: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What pre-training asks."""

    kind: Literal["masked_genes"]
    ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooler:
    """Which hidden state is the cell: ``layer`` −1 is the last block, −2 the one before."""

    kind: Literal["mean", "cls"]
    layer: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How a size is trained: peak learning ``rate``, ``warmup`` as a share of all steps.

    ``dropout`` holds for hidden states and attention weights alike.
    """

    epochs: float
    batch_cells: int
    rate: float
    warmup: float
    schedule: Literal["linear", "cosine"]
    decay: float
    clip: float
    dropout: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Shape of the network: ``hidden`` is the feed-forward width, ``length`` the most tokens a cell."""

    layers: int
    width: int
    heads: int
    hidden: int
    length: int
    training: Training


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """One recipe at one size: everything that a checkpoint must know about itself."""

    recipe: str
    size_name: str
    tokeniser: Tokeniser
    backbone: Backbone
    objective: Objective
    pooler: Pooler
    size: Size

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form; ``design_from`` reads it back."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A published design: ``source`` of the facts, ``ours`` what is not from there, and its sizes."""

    name: str
    source: str
    ours: str
    tokeniser: Tokeniser
    backbone: Backbone
    objective: Objective
    pooler: Pooler
    sizes: dict[str, Size]

    def design(self, size: str) -> Design:
        """The recipe at one of its sizes."""
        if size not in self.sizes:
            raise RecipeError(f"recipe {self.name!r} has no size {size!r}; known: {', '.join(self.sizes)}")
        return Design(
            recipe=self.name,
            size_name=size,
            tokeniser=self.tokeniser,
            backbone=self.backbone,
            objective=self.objective,
            pooler=self.pooler,
            size=self.sizes[size],
        )


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the engine."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by name."""
    if name not in recipe_names():
        raise RecipeError(f"unknown recipe {name!r}; known: {', '.join(recipe_names())}")
    return read_recipe(FOLDER / f"{name}.yaml")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; every mistake is a ``RecipeError`` that names file and field."""
    try:
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    recipe = _build(Recipe, value, where=str(path))
    for name in recipe.sizes:
        _consistent(recipe.design(name), where=f"{path}: sizes.{name}")
    return recipe


def design_from(value: Any, *, where: str) -> Design:
    """Read what ``Design.to_dict`` wrote, under the same closed schema."""
    design = _build(Design, value, where=where)
    _consistent(design, where=where)
    return design


def _consistent(design: Design, *, where: str) -> None:
    size, train = design.size, design.size.training
    around = len(design.tokeniser.prefix) + len(design.tokeniser.suffix)
    faults = {
        "width must be a multiple of heads": size.width % size.heads,
        "length leaves no room for a gene": size.length <= around,
        "pooler cls needs a token in tokeniser.prefix": design.pooler.kind == "cls" and around == 0,
        "pooler.layer lies outside the network": not -size.layers - 1 <= design.pooler.layer <= -1,
        "objective.ratio must lie in (0, 1]": not 0 < design.objective.ratio <= 1,
        "warmup must lie in [0, 1]": not 0 <= train.warmup <= 1,
        "dropout must lie in [0, 1)": not 0 <= train.dropout < 1,
        "epochs, batch_cells, rate and clip must be above 0": min(
            train.epochs, train.batch_cells, train.rate, train.clip
        )
        <= 0,
    }
    for fault, present in faults.items():
        if present:
            raise RecipeError(f"{where}: {fault}")


def _build(kind: Any, value: Any, *, where: str) -> Any:
    """Build a value of the annotated ``kind`` from plain YAML or JSON."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_class(kind, value, where=where)
    if origin is dict and isinstance(value, Mapping):
        inner = get_args(kind)[1]
        return {str(k): _build(inner, v, where=f"{where}: {k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_build(get_args(kind)[0], v, where=where) for v in value)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise RecipeError(f"{where}: found {value!r}; expected one of {list(get_args(kind))}")
    accepted: UnionType | type = int | float if kind is float else kind
    if not origin and isinstance(value, accepted) and not isinstance(value, bool):
        return kind(value)
    raise RecipeError(f"{where}: found {value!r}; expected {getattr(kind, '__name__', kind)}")


def _build_class(kind: Any, value: Any, *, where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where}: found {value!r}; expected keys {', '.join(fields)}")
    for key in value:
        if key not in fields:
            raise RecipeError(f"{where}: unknown key {key!r}; known: {', '.join(fields)}")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            raise RecipeError(f"{where}: no {name!r}; add '{name}: …'")
    hints = get_type_hints(kind)
    return kind(**{key: _build(hints[key], item, where=f"{where}: {key}") for key, item in value.items()})
