"""A recipe: a YAML file of choices → a frozen ``Design``, its parts checked against each other."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.transformer.choices import (
    BINNED,
    NEEDS_TOTAL,
    OF_BATCHES,
    OF_TEXTS,
    OF_TYPES,
    Backbone,
    Identity,
    Masking,
    Objective,
    Pooler,
    Size,
    Thinning,
    Value,
)
from models.transformer.errors import RecipeError
from models.transformer.quirk_names import Quirk
from models.transformer.schema import build, suggestion
from models.transformer.token_choices import DEPTHS, PanelTokens, RankTokens, SampleTokens, TokeniserChoice

FOLDER = Path(__file__).parent / "recipes"
NEXT = {"next_gene", "next_value"}
OF_HIDDEN_VALUES = {"value", "cell_value", "prompt"}
OF_THE_CELL = {"cell_value", "expressed", "prompt", "profile", "teacher", "contrast", "similarity"}
OF_THE_CELL |= {*OF_TYPES, *OF_BATCHES}
BESIDE = {"prompt": "value", "prototype": "cell_type", "match": "text"}
LOSSES = {"value": {"mse", "bins", "zinb"}, "next_value": {"bins", "ztp"}, "profile": {"rmse"}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The choices that all sizes of a recipe share."""

    tokeniser: TokeniserChoice
    value: Value
    identity: Identity
    backbone: Backbone
    objectives: tuple[Objective, ...]
    pooler: Pooler
    masking: Masking | None = None
    thinning: Thinning | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Design(Parts):
    """One recipe at one size: everything that a checkpoint must know about itself.

    ``quirks``: published bugs that were brought back; usually none.
    """

    recipe: str
    size_name: str
    size: Size
    quirks: tuple[Quirk, ...] = ()

    @property
    def needs_totals(self) -> bool:
        """Whether a cell can be read only where its total count is known."""
        by_bins = isinstance(self.tokeniser, RankTokens) and self.tokeniser.norm == "gene_bin"
        return self.value.scale in NEEDS_TOTAL or by_bins or bool(set(self.tokeniser.prefix) & set(DEPTHS))

    @property
    def told(self) -> tuple[bool, bool]:
        """Whether pre-training is told the types of cells, and their batches."""
        kinds = {objective.kind for objective in self.objectives}
        return not kinds.isdisjoint(OF_TYPES), not kinds.isdisjoint(OF_BATCHES)

    @property
    def reads_texts(self) -> bool:
        """Whether pre-training is told texts of the types."""
        return any(objective.kind in OF_TEXTS for objective in self.objectives)

    @property
    def cell_width(self) -> int:
        """Width of a cell's vector."""
        if self.pooler.project == "shared":
            return self.size.shared
        return self.size.width * (4 if self.pooler.kind == "concat" else 1)

    @property
    def masked_autoencoder(self) -> bool:
        """Whether the encoder sees visible non-zero genes alone, and a decoder the rest."""
        return self.size.decoder is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form; ``design_from`` reads it back."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe(Parts):
    """A published design: ``source`` of the facts, ``ours`` what is not from there, and its sizes.

    ``quirks``: bugs of the published code that ``parity`` brings back.
    """

    name: str
    source: str
    ours: str
    sizes: dict[str, Size]
    quirks: tuple[Quirk, ...] = ()

    def design(self, size: str, *, parity: bool = False) -> Design:
        """The recipe at one of its sizes; with the published bugs where ``parity`` is asked for."""
        if parity and not self.quirks:
            raise RecipeError(f"recipe {self.name!r} knows no published bug; leave out parity")
        if size not in self.sizes:
            raise RecipeError(f"recipe {self.name!r} has no size {size!r}; {suggestion(size, self.sizes)}")
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(Parts)}
        quirks = self.quirks if parity else ()
        return Design(recipe=self.name, size_name=size, size=self.sizes[size], quirks=quirks, **parts)


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the engine."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by name."""
    if name not in recipe_names():
        raise RecipeError(f"unknown recipe {name!r}; {suggestion(name, recipe_names())}")
    return read_recipe(FOLDER / f"{name}.yaml")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; every mistake is a ``RecipeError`` that names file and field."""
    try:
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the parser stumbles in many ways: `!!int` ends it with an IndexError
        raise RecipeError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    recipe = build(Recipe, value, where=str(path))
    for name in recipe.sizes:
        _consistent(recipe.design(name), where=f"{path}: sizes.{name}")
    return recipe


def design_from(value: Any, *, where: str) -> Design:
    """Read what ``Design.to_dict`` wrote, under the same closed schema."""
    design = build(Design, value, where=where)
    _consistent(design, where=where)
    return design


def _consistent(design: Design, *, where: str) -> None:
    for rules in (_faults_of_size, _faults_of_input, _faults_of_objectives):
        for fault, present in rules(design):
            if present:
                raise RecipeError(f"{where}: {fault}")


def _faults_of_size(design: Design) -> Iterator[tuple[str, bool]]:
    size, train, pooler = design.size, design.size.training, design.pooler
    around = len(design.tokeniser.prefix) + len(design.tokeniser.suffix)
    yield "width must be a multiple of heads", size.head_width is None and bool(size.width % size.heads)
    yield "length leaves no room for a gene", size.length <= around
    yield "patch and genes must be at least 1", size.patch < 1 or (size.genes is not None and size.genes < 1)
    yield "patches need tokeniser panel", size.patch > 1 and not isinstance(design.tokeniser, PanelTokens)
    yield "a decoder needs tokeniser panel", bool(size.decoder) and design.tokeniser.kind != "panel"
    yield "a decoder cannot stand beside patches", bool(size.decoder) and size.patch > 1
    cut = pooler.kind in ("cls", "specials", "concat") and not design.tokeniser.prefix
    yield f"pooler {pooler.kind} needs a token in tokeniser.prefix", cut
    depths = design.tokeniser.prefix[:2] != DEPTHS
    yield f"pooler concat needs {list(DEPTHS)} first in tokeniser.prefix", pooler.kind == "concat" and depths
    wide = pooler.kind == "concat" and pooler.project != "none"
    yield "pooler concat is four times as wide as what project reads", wide
    yield "pooler.layer lies outside the network", not -size.layers - 1 <= pooler.layer <= -1
    yield "warmup must lie in [0, 1]", not 0 <= train.warmup <= 1
    yield "dropout must lie in [0, 1)", not 0 <= train.dropout < 1
    least = min(train.epochs, train.batch_cells, train.rate, train.clip)
    yield "epochs, batch_cells, rate and clip must be above 0", least <= 0


def _faults_of_input(design: Design) -> Iterator[tuple[str, bool]]:
    value, identity, backbone = design.value, design.identity, design.backbone
    yield f"value.scale {value.scale} needs bins of 2 or more", value.scale in BINNED and value.bins < 2
    yield f"value.scale {value.scale} has no bins", value.scale not in BINNED and value.bins != 0
    yield "value table needs a scale of bins", value.kind == "table" and value.scale not in BINNED
    yield "value soft_bins needs soft of 2 or more", value.kind == "soft_bins" and value.soft < 2
    if isinstance(design.tokeniser, RankTokens):
        binned = design.tokeniser.norm == "gene_bin"
        yield "tokeniser.bins of 2 or more go with norm gene_bin", binned != (design.tokeniser.bins >= 2)
    ranked = design.tokeniser.kind in ("rank", "sample")
    kept = ranked and value.kind not in ("none", "concat")
    yield f"tokeniser {design.tokeniser.kind} carries no value", kept
    plain = (value.kind == "plain", identity.kind == "patch")
    yield (
        "value plain and identity patch go together, with a patch of width genes",
        any(plain) and not (all(plain) and design.size.patch == design.size.width),
    )
    yield (
        "identity frozen needs a projection, or vectors as wide as the network",
        (
            identity.kind == "frozen"
            and identity.project == "none"
            and design.size.vectors != design.size.width
        ),
    )
    yield (
        "value concat goes with identity table or fused",
        (value.kind == "concat" and identity.kind not in ("table", "fused")),
    )
    yield "identity fused goes with value concat", identity.kind == "fused" and value.kind != "concat"
    soft = backbone.mixer == "softmax"
    yield (
        f"mixer {backbone.mixer} knows no mask {backbone.mask}",
        not (soft or backbone.mask == "full" or (backbone.mixer, backbone.mask) == ("relu_kernel", "causal")),
    )
    yield (
        "softcap and value attention need mixer softmax",
        not soft and (backbone.softcap > 0 or value.kind == "attention"),
    )


def _faults_of_objectives(design: Design) -> Iterator[tuple[str, bool]]:
    kinds, masking = {objective.kind for objective in design.objectives}, design.masking
    yield "no objectives", not kinds
    yield "an objective stands twice", len(kinds) != len(design.objectives)
    hides_gene = masking is not None and masking.hide in ("gene", "both")
    hides_value = masking is not None and masking.hide in ("value", "both")
    yield "objective gene needs masking that hides the gene", "gene" in kinds and not hides_gene
    yield "no value is hidden: masking must hide it", bool(kinds & OF_HIDDEN_VALUES) and not hides_value
    yield "hidden values need values", hides_value and design.value.kind in ("none", "attention")
    yield "mask known needs masking that hides the value", design.backbone.mask == "known" and not hides_value
    causal = design.backbone.mask == "causal"
    yield "next_gene and next_value need mask causal, or the target leaks", bool(kinds & NEXT) and not causal
    sample = isinstance(design.tokeniser, SampleTokens)
    yield "objective expressed needs tokeniser sample", "expressed" in kinds and not sample
    start = bool(kinds & NEXT) and not design.tokeniser.prefix
    yield "next_gene and next_value need a first token in tokeniser.prefix", start
    for objective in design.objectives:
        known = LOSSES.get(objective.kind, {"mse"})
        yield f"objective {objective.kind} knows no loss {objective.loss}", objective.loss not in known
    tied = any(o.kind in ("gene", "next_gene") and o.logits != "linear" for o in design.objectives)
    yield "logits tied need a gene table", tied and design.identity.kind not in ("table", "fused")
    for kind, other in BESIDE.items():
        alone = kind in kinds and other not in kinds
        yield f"objective {kind} needs objective {other} beside it", alone
    shared = ("clip" in kinds) != (design.pooler.project == "shared")
    yield "objective clip and pooler.project shared go together", shared
    tokens = design.size.head_width is None and design.identity.kind != "patch"
    yield "objective match needs tokens of genes, and no head_width", "match" in kinds and not tokens
    yield "objective profile needs tokeniser panel", "profile" in kinds and design.tokeniser.kind != "panel"
    bins = any(o.loss == "bins" and o.kind in ("value", "next_value") for o in design.objectives)
    yield "loss bins needs a value.scale of bins", bins and design.value.scale not in BINNED
    prompt = "prompt" in kinds and design.pooler.kind != "cls"
    yield "objective prompt needs pooler cls", prompt
    inner = bool(kinds & OF_THE_CELL) and design.pooler.layer != -1
    yield "objectives of the cell need pooler.layer -1", inner
    if masking is not None:
        yield (
            "masking.ratios must lie in (0, 1]",
            not (masking.ratios and all(0 <= r <= 1 for r in masking.ratios) and max(masking.ratios) > 0),
        )
        yield "masking.random + keep must lie in [0, 1)", not 0 <= masking.random + masking.keep < 1
