"""Questions about a whole cell, where its type or batch is told: summed losses and numbers of terms.

A cell whose type or batch is unknown (−1) is not asked about it.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.block import initialise
from models.transformer.bridge import Bridge
from models.transformer.recipe import Design

SHARPEST = 0.01
Loss = tuple[Tensor, Tensor]


class Types(nn.Module):
    """What is known of the C types of a corpus; frozen, and given before training.

    ``below`` bool (C, C): whether the column's type is the row's or lies below it in the ontology.
    ``levels`` int64 (C, C): how near the column's type is to the row's, higher is nearer.
    ``texts`` (C, E): a vector of the text that describes a type.
    """

    below: Tensor
    levels: Tensor
    texts: Tensor

    def __init__(self, design: Design) -> None:
        super().__init__()
        classes = design.size.classes
        self.register_buffer("below", torch.eye(classes, dtype=torch.bool))
        self.register_buffer("levels", torch.eye(classes, dtype=torch.int64))
        if design.reads_texts:
            self.register_buffer("texts", torch.zeros(classes, design.size.texts))


@torch.no_grad()
def give_types(types: Types, *, below: Tensor, levels: Tensor, texts: Tensor | None) -> None:
    """Put what is known of the types into an untrained network."""
    types.below.copy_(below)
    types.levels.copy_(levels)
    if texts is not None:
        types.texts.copy_(texts)


class TypeHead(nn.Module):
    """Which type: the cell's vector against a learnt prototype of each type, cross-entropy in nats.

    ``tree``: a type's chance is that of all types below it together, so that a coarse label is not
    contradicted by a finer answer.
    """

    def __init__(self, design: Design, *, cell_width: int, tree: bool) -> None:
        super().__init__()
        self.tree = tree
        self.prototypes = nn.Linear(cell_width, design.size.classes)
        initialise(self, std=design.backbone.init_std)

    def forward(self, cells: Tensor, types: Tensor, *, below: Tensor) -> Loss:
        """Cells (B, D) and their types (B,)."""
        known = types >= 0
        logits, types = self.prototypes(cells[known]).float(), types[known]
        if not self.tree:
            return F.cross_entropy(logits, types, reduction="sum"), known.sum()
        inside = logits.masked_fill(~below[types], float("-inf")).logsumexp(1)
        return (logits.logsumexp(1) - inside).sum(), known.sum()


class PrototypeHead(nn.Module):
    """How far a cell lies from an affine map of its type's prototype: mean squared error over the width."""

    def __init__(self, design: Design, *, cell_width: int) -> None:
        super().__init__()
        self.map = nn.Linear(cell_width, cell_width)
        initialise(self, std=design.backbone.init_std)

    def forward(self, cells: Tensor, types: Tensor, *, prototypes: Tensor) -> Loss:
        """Cells (B, D), types (B,) and prototypes (C, D)."""
        known = types >= 0
        expected = self.map(prototypes[types[known]])
        return ((expected - cells[known]).float() ** 2).mean(1).sum(), known.sum()


class BatchHead(nn.Module):
    """Which batch, by a classifier that learns while the encoder unlearns: its gradient is turned round."""

    def __init__(self, design: Design, *, cell_width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(cell_width, cell_width),
            nn.LeakyReLU(),
            nn.LayerNorm(cell_width),
            nn.Linear(cell_width, design.size.batches),
        )
        initialise(self, std=design.backbone.init_std)

    def forward(self, cells: Tensor, batches: Tensor) -> Loss:
        """Cells (B, D) and their batches (B,)."""
        known = batches >= 0
        logits = self.layers(_Turned.apply(cells[known])).float()
        return F.cross_entropy(logits, batches[known], reduction="sum"), known.sum()


class _Turned(torch.autograd.Function):
    """The same forth, the negative back (arXiv:1505.07818)."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return -gradient


class TextHead(nn.Module):
    """Which type's text: cross-entropy of cosines of cell and text, each after a linear map."""

    def __init__(self, design: Design, *, cell_width: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.cell = nn.Linear(cell_width, design.size.shared)
        self.text = nn.Linear(design.size.texts, design.size.shared)
        initialise(self, std=design.backbone.init_std)

    def near(self, cells: Tensor, texts: Tensor) -> Tensor:
        """How near cells (B, D) are to texts (C, E), over the temperature (B, C)."""
        cell, text = (F.normalize(m(x).float(), dim=1) for m, x in ((self.cell, cells), (self.text, texts)))
        return cell @ text.T / self.temperature

    def forward(self, cells: Tensor, types: Tensor, *, texts: Tensor) -> Loss:
        """Cells (B, D), types (B,) and texts (C, E)."""
        known = types >= 0
        near = self.near(cells[known], texts)
        return F.cross_entropy(near, types[known], reduction="sum"), known.sum()


class ClipHead(nn.Module):
    """Which type's text, and which of the batch's cells a text is of; the mean of both (arXiv:2103.00020).

    Cross-entropies of cosines over a learnt temperature, of 0.01 at least. Cells come in the space that
    texts are brought into. Cells of one text are no wrong answers to each other.
    """

    def __init__(self, design: Design, *, temperature: float) -> None:
        super().__init__()
        size, backbone = design.size, design.backbone
        self.text = Bridge(size.texts, size.shared, eps=backbone.eps, std=backbone.init_std)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, cells: Tensor, types: Tensor, *, texts: Tensor) -> Loss:
        """Cells (B, ``shared``), types (B,) and texts (C, E)."""
        known = types >= 0
        types = types[known]
        cell, text = (F.normalize(x.float(), dim=1) for x in (cells[known], self.text(texts)))
        near = cell @ text.T * self.log_scale.clamp(max=-math.log(SHARPEST)).exp()
        same = types[:, None] == types
        same.fill_diagonal_(False)
        of_text = near.T[types].masked_fill(same, float("-inf"))
        own = torch.arange(len(types), device=types.device)
        loss = F.cross_entropy(near, types, reduction="sum") + F.cross_entropy(of_text, own, reduction="sum")
        return loss / 2, known.sum()


class MatchHead(nn.Module):
    """Whether a text describes a cell: its own, and the nearest of the others; binary cross-entropy.

    The text, one frozen vector, asks the cell's tokens by one layer of cross-attention; what it gathers is
    added to it, and a hidden layer answers. In LangCell each word asks, in the layers of a text model.
    """

    def __init__(self, design: Design, *, width: int) -> None:
        super().__init__()
        size, backbone = design.size, design.backbone
        self.heads = size.heads
        self.query, self.tokens = nn.Linear(size.texts, size.width), nn.Linear(width, 2 * size.width)
        self.out, self.norm = nn.Linear(size.width, size.width), nn.LayerNorm(size.width, eps=backbone.eps)
        self.answer = nn.Sequential(nn.Linear(size.width, size.width), nn.GELU(), nn.Linear(size.width, 1))
        initialise(self, std=backbone.init_std)

    def forward(
        self, cells: Tensor, types: Tensor, *, states: Tensor, real: Tensor, texts: Tensor, head: TextHead
    ) -> Loss:
        """Cells (B, D), types (B,), states of tokens (B, T, D'), where one is (B, T), and texts (C, E).

        ``head`` gives the nearest wrong text.
        """
        known = types >= 0
        types = types[known]
        near = head.near(cells[known], texts)
        wrong = near.scatter(1, types[:, None], float("-inf")).argmax(1)
        asked = texts[torch.stack([types, wrong], dim=1)]
        own, other = self.logits(asked, states[known], real=real[known]).unbind(1)
        return (F.softplus(-own) + F.softplus(other)).sum(), 2 * known.sum()

    def logits(self, asked: Tensor, states: Tensor, *, real: Tensor) -> Tensor:
        """Whether each of K texts a cell (B, K, E) describes the cell of these tokens, float32 (B, K)."""
        text = self.query(asked)
        queries = text.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        keys, values = self.tokens(states).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(queries, keys, values, attn_mask=real[:, None, None])
        text = text + self.out(found.transpose(1, 2).flatten(2))
        return self.answer(self.norm(text))[..., 0].float()


def ranked(cells: Tensor, other: Tensor, types: Tensor, *, about: Types, temperature: float) -> Loss:
    """Cells of nearer types shall lie nearer than those of farther ones; a cell's other self nearest.

    For each two cells i, j: cross-entropy of j against all k whose type is farther from that of i
    than j's, types above that of i left out. ``cells`` and ``other`` (B, D): two passes with
    different dropout. O(B³) memory.
    """
    known = types >= 0
    types = types[known]
    near = F.normalize(cells[known].float(), dim=1) @ F.normalize(other[known].float(), dim=1).T / temperature
    self_pair = torch.eye(len(types), dtype=torch.bool, device=types.device)
    level = about.levels[types][:, types].masked_fill(self_pair, int(about.levels.max()) + 1)
    same = types[:, None] == types
    above = about.below[types][:, types].T & ~same
    asked = (level[:, :, None] > level[:, None, :]) & ~above[:, None, :]
    i, j = asked.any(2).nonzero(as_tuple=True)
    against = near[i].masked_fill(~asked[i, j], float("-inf")).logsumexp(1)
    return F.softplus(against - near[i, j]).sum(), torch.tensor(len(i), device=types.device)


def similarity(cells: Tensor, *, beta: float) -> Loss:
    """scGPT's elastic cell similarity: 1 − (relu(cos) − β)² of each two cells, so that they part or meet."""
    near = F.relu(F.cosine_similarity(cells[:, None].float(), cells[None].float(), dim=-1))
    other = ~torch.eye(len(cells), dtype=torch.bool, device=cells.device)
    return (1 - (near - beta) ** 2)[other].sum(), other.sum()
