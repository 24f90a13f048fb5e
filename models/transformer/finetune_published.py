"""How authors fine-tune their own models on cell types, where that is stated in full."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models.transformer.choices import Pooler, Training
from models.transformer.errors import RecipeError
from models.transformer.finetune import Run, tune
from models.transformer.finetune_head import Head
from models.transformer.finetune_model import Classifier, Labelled, free
from models.transformer.finetune_search import Tuned, say
from models.transformer.mixers import Attention
from models.transformer.model import Encoder
from models.transformer.ranks import ALONE, Ranks
from models.transformer.room import Room
from models.transformer.schedule import plan


class BertHead(Head):
    """BERT's classifier: a map with tanh, dropout, a linear map; normal weights of deviation 0.02."""

    def __init__(self, width: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.pool, self.drop, self.out = (
            nn.Linear(width, width),
            nn.Dropout(dropout),
            nn.Linear(width, classes),
        )
        for layer in (self.pool, self.out):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def logits(self, cells: Tensor) -> Tensor:
        """(B, D) → (B, C)."""
        return self.out(self.drop(torch.tanh(self.pool(cells))))


class ScGptHead(Head):
    """scGPT's classifier: twice a linear map, ReLU and layer norm, then a linear map."""

    def __init__(self, width: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(2):
            parts += [nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width)]
        self.layers = nn.Sequential(*parts, nn.Linear(width, classes))

    def logits(self, cells: Tensor) -> Tensor:
        """(B, D) → (B, C)."""
        return self.layers(cells)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A stated protocol, in which all weights learn from a head that is drawn by chance.

    ``training.warmup`` is in steps here. ``fall``: factor of the rate after each pass. ``dropout``:
    instead of the size's.
    """

    pooler: Pooler
    head: Callable[..., Head]
    training: Training
    fall: float | None = None
    dropout: float | None = None


PUBLISHED = {
    # jkobject/geneformer@95b6340, notebook of V1: the first token is that of the gene of first rank
    "geneformer": Published(
        pooler=Pooler(kind="cls", layer=-1),
        head=BertHead,
        training=Training(
            epochs=10,
            batch_cells=12,
            rate=5e-5,
            warmup=500,
            schedule="linear",
            decay=0.001,
            clip=1.0,
            dropout=0.02,
        ),
    ),
    # bowang-lab/scGPT@cebd6fa, annotation tutorial
    "scgpt": Published(
        pooler=Pooler(kind="cls", layer=-1),
        head=ScGptHead,
        training=Training(
            epochs=10,
            batch_cells=32,
            rate=1e-4,
            warmup=0,
            schedule="linear",
            decay=0.0,
            clip=1.0,
            dropout=0.2,
        ),
        fall=0.9,
        dropout=0.2,
    ),
}


def tune_as_published(
    encoder: Encoder,
    cells: Labelled,
    *,
    seed: int,
    device: torch.device,
    work: Path | None = None,
    fingerprint: str = "",
    ranks: Ranks = ALONE,
) -> Tuned:
    """Fine-tune as the authors of the encoder's recipe do: no search, no early stop, all cells.

    Raises
    ------
    RecipeError
        If no protocol is stated for the recipe.
    """
    recipe, classes = encoder.design.recipe, int(cells.label.max()) + 1
    if recipe not in PUBLISHED:
        raise RecipeError(f"recipe {recipe!r} has no published protocol; known: {', '.join(PUBLISHED)}")
    protocol = PUBLISHED[recipe]
    encoder = copy.deepcopy(encoder)
    encoder.design = dataclasses.replace(encoder.design, pooler=protocol.pooler)
    dropout = encoder.design.size.training.dropout if protocol.dropout is None else protocol.dropout
    _set_dropout(encoder, dropout)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(encoder, protocol.head(encoder.width, classes, dropout=dropout))
    free(encoder, "full", blocks=0, rank=0, seed=seed)
    steps = plan(protocol.training, cells=len(cells))
    run = Run(
        number=0,
        training=replace(protocol.training, warmup=min(protocol.training.warmup / steps.steps, 1.0)),
        plan=steps,
        stop=steps.steps,
        seed=seed,
        keep=None if work is None else work / "run-0.safetensors",
        fingerprint=fingerprint,
        fall=protocol.fall,
    )
    room = Room(device, cells=protocol.training.batch_cells)
    where = {"room": room, "device": device, "ranks": ranks}
    curve = tune(model, cells, validation=None, run=run, report=say, **where)
    chosen = {"rate": protocol.training.rate, "passes": float(protocol.training.epochs)}
    return Tuned(encoder=encoder, readout=model.readout, curve=curve, chosen=chosen)


def _set_dropout(encoder: Encoder, rate: float) -> None:
    """Hidden states and attention weights alike."""
    for part in encoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = rate
        elif isinstance(part, Attention):
            part.dropout = rate
