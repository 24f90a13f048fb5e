"""What a recipe chooses: one frozen class a choice. A closed set; ``schema`` reads them from YAML.

Where a choice has kinds with fields of their own, each kind is a class and ``kind`` its name.
"""

from dataclasses import dataclass
from typing import Literal

Scale = Literal[
    "count",
    "log2",
    "log1p_norm",
    "log2_median",
    "quantile_bins",
    "equal_bins",
    "log2_bins",
    "count_bins",
]
BINNED: tuple[Scale, ...] = ("quantile_bins", "equal_bins", "log2_bins", "count_bins")
NEEDS_TOTAL: tuple[Scale, ...] = ("log1p_norm", "log2_median", "equal_bins", "log2_bins")
OF_TYPES = ("cell_type", "prototype", "ontology", "text", "clip", "match")
"""Objectives that are told the types of cells."""
OF_TEXTS = ("text", "clip")
"""Those of them that read texts of types."""
OF_BATCHES = ("batch",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """How a count becomes a vector (``kind``), and on which ``scale`` it is read; ``bins`` of the scale.

    ``table``: a vector a bin; ``mlp``: of the number; ``soft_bins``: the number chooses softly among
    ``soft`` vectors; ``concat``: beside the gene's vector into an MLP; ``attention``: log(1 + count)
    is added to the score of the key; ``plain``: the values of a patch are the token.
    """

    kind: Literal["none", "table", "mlp", "soft_bins", "concat", "attention", "plain"]
    scale: Scale = "count"
    bins: int = 0
    soft: int = 0
    most: float = 1.0e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The vector of a gene: a learnt ``table``; ``frozen`` gene vectors, projected; both, ``fused``.

    ``patch``: none, because a patch has no gene of its own. Frozen vectors are made of which genes are
    detected together in the corpus, or of the genes' ``symbols`` by a text encoder.
    """

    kind: Literal["table", "frozen", "fused", "patch"]
    made_of: Literal["codetection", "symbols"] = "codetection"
    project: Literal["none", "linear", "mlp"] = "none"
    norm: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """What all sizes of the network share.

    ``norm``: ``post`` normalises after each sum, ``pre`` before each sub-layer, ``stream`` replaces the
    stream by its norm, ``deep`` is post with a weighted residual (DeepNorm), ``none``.
    ``mask``: who sees whom; ``known``: all see the genes whose value is known, and themselves.
    ``softcap`` c > 0 bends attention scores to c · tanh(score / c).
    ``late_hidden``: keys whose value is hidden are seen in the second half of the blocks only.
    """

    mixer: Literal["softmax", "performer", "retention", "relu_kernel", "mamba2"]
    mask: Literal["full", "causal", "known"]
    norm: Literal["post", "pre", "stream", "deep", "none"]
    feed: Literal["relu", "gelu", "glu", "none"]
    eps: float
    init_std: float
    bias: bool = True
    positions: Literal["none", "learned", "sinusoidal"] = "none"
    norm_input: bool = False
    norm_output: Literal["none", "layer", "rms"] = "none"
    softcap: float = 0.0
    late_hidden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Masking:
    """What pre-training hides: the ``gene``, its ``value``, or ``both``.

    ``ratios``: shares of the genes; one is drawn a cell, or a number between the first and the last
    (``spread: between``). ``zeros``: the share where the count is 0 (null: as elsewhere).
    Of the hidden, the share ``random`` gets another's content and ``keep`` its own; the rest a mask.
    """

    hide: Literal["gene", "value", "both"]
    ratios: tuple[float, ...]
    spread: Literal["one_of", "between"] = "one_of"
    zeros: float | None = None
    random: float = 0.0
    keep: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Thinning:
    """In training, the share ``cells`` of the cells is read at a share ``low`` to ``high`` of its counts.

    Targets stay at full depth.
    """

    cells: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What pre-training asks, and its ``weight`` in the sum.

    ``gene``: which gene is hidden here; ``value``: which value; ``cell_value``: the same from the cell's
    vector and the gene's; ``next_gene``, ``next_value``: of the next token; ``expressed``: whether the cell
    expresses a gene that it was not shown; ``prompt``: hidden values once more, the cell's vector
    (detached) in the place of the first token; ``profile``: all values from the cell's vector, by one
    linear map; ``teacher``: the cell's vector that a copy of the encoder gives which sees all and
    follows with ``momentum``; ``contrast``: the same cell under other dropout among the batch's cells.
    Of a cell whose type is told: ``cell_type``: which one, against learnt prototypes (``tree``: a coarse type
    is the sum of those below it); ``prototype``: how far the cell lies from its type's; ``ontology``: cells
    of nearer types shall lie nearer; ``text``: which type's text; ``clip``: that, and which of the batch's
    cells a text is of, at a temperature that is learnt from ``temperature`` on; ``match``: whether a text is
    the cell's, as it reads the cell's tokens.
    ``batch``: which batch, unlearnt by the encoder; ``similarity``: each two cells of a batch
    shall be alike or not, by ``beta``.
    ``loss`` (of values): squared error, its root, bins by cross-entropy, or counts as zero-inflated negative
    binomial or zero-truncated Poisson. ``layers``: hidden layers of the head. ``everywhere``: all
    positions are scored, not the hidden ones alone. ``logits: tied`` reads genes off the gene table,
    ``cosine`` off directions of mapped gene vectors, among the genes that are hidden in the batch.
    """

    kind: Literal[
        "gene",
        "value",
        "cell_value",
        "next_gene",
        "next_value",
        "expressed",
        "prompt",
        "profile",
        "teacher",
        "contrast",
        "cell_type",
        "prototype",
        "ontology",
        "text",
        "clip",
        "match",
        "batch",
        "similarity",
    ]
    weight: float = 1.0
    loss: Literal["mse", "rmse", "bins", "zinb", "ztp"] = "mse"
    layers: int = 0
    everywhere: bool = False
    logits: Literal["tied", "linear", "cosine"] = "tied"
    temperature: float = 0.1
    momentum: float = 0.996
    beta: float = 0.8
    tree: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooler:
    """Which hidden states are the cell: ``layer`` −1 is the last block, −2 the one before.

    ``mean`` and ``max`` over genes; ``all``: mean over genes and special tokens; ``sum``: over genes,
    divided by ``size.length``; ``cls``: the first token; ``last``: the last one; ``specials``: the mean of
    the prefix; ``concat``: the two depth tokens, max and mean. ``project``, on top: an ``mlp``; or a way
    into the space that cells and texts share (``shared``), which in pre-training alone learns what is
    asked of the cell: no gradient of it reaches the blocks. ``unit``: length 1.
    """

    kind: Literal["mean", "all", "sum", "max", "cls", "last", "specials", "concat"]
    layer: int
    project: Literal["none", "mlp", "shared"] = "none"
    unit: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How a size is trained: peak learning ``rate``, ``warmup`` as a share of all steps.

    After the warm-up ``linear`` and ``cosine`` fall to 0 at once; ``wsd`` stays, and falls in the last fifth.
    ``dropout`` holds for hidden states and attention weights alike.
    """

    epochs: float
    batch_cells: int
    rate: float
    warmup: float
    schedule: Literal["linear", "cosine", "wsd"]
    decay: float
    clip: float
    dropout: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """The second network of a masked autoencoder: all positions, few and narrow blocks."""

    layers: int
    width: int
    heads: int
    hidden: int
    mixer: Literal["softmax", "performer"] = "performer"
    norm: Literal["post", "pre"] = "pre"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Shape of the network: ``hidden`` is the feed-forward width, ``length`` the most tokens a cell.

    ``genes``: at most so many genes, the most variable ones (null: all). ``patch``: genes a token.
    ``head_width``: of one attention head (null: width / heads). ``vectors``: width of frozen gene
    vectors. ``features``: random features a head (performer). ``state``: of Mamba-2. ``classes`` and
    ``batches``: types and batches of the corpus, ``texts``: width of text vectors; a corpus replaces them.
    ``shared``: width of the space that cells and texts share.
    """

    layers: int
    width: int
    heads: int
    hidden: int
    length: int
    training: Training
    genes: int | None = None
    patch: int = 1
    head_width: int | None = None
    vectors: int = 64
    features: int = 64
    state: int = 16
    classes: int = 1
    batches: int = 1
    texts: int = 128
    shared: int = 256
    decoder: Decoder | None = None
