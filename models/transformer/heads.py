"""What is read off hidden states, and how wrong it is: a sum of losses and the number of terms."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.batch import Batch
from models.transformer.block import activate, initialise
from models.transformer.choices import Objective
from models.transformer.model import Encoder
from models.transformer.recipe import Design

Loss = tuple[Tensor, Tensor]


class Pass(NamedTuple):
    """One forward pass: batch, as it was shown, places asked for, states (B, T, D'), cells (B, D)."""

    batch: Batch
    shown: Batch
    chosen: Tensor
    states: Tensor
    cells: Tensor


def layers_of(
    into: int, out: int, *, hidden: int, activation: type[nn.Module] = nn.LeakyReLU
) -> nn.Sequential:
    """``hidden`` layers as wide as the input, then a linear one."""
    parts: list[nn.Module] = []
    for _ in range(hidden):
        parts += [nn.Linear(into, into), activation()]
    return nn.Sequential(*parts, nn.Linear(into, out))


class GeneHead(nn.Module):
    """Which gene: cross-entropy in nats over the vocabulary, at the places asked for alone.

    Logits at all positions would cost more than the network itself. ``layers: 1`` is BERT's transform
    before the gene table. ``cosine``: directions of states and of mapped gene vectors, over a temperature,
    among the genes asked for in the batch (scCello's InfoNCE).
    """

    def __init__(self, design: Design, objective: Objective, *, vocabulary: int, width: int) -> None:
        super().__init__()
        std, eps = design.backbone.init_std, design.backbone.eps
        self.activation = "relu" if design.backbone.feed == "relu" else "gelu"
        self.transform = nn.Linear(width, width) if objective.layers else None
        self.norm = nn.LayerNorm(width, eps=eps) if objective.layers else None
        self.out = nn.Linear(width, vocabulary) if objective.logits == "linear" else None
        self.words = nn.Linear(width, width) if objective.logits == "cosine" else None
        self.temperature = objective.temperature
        tied_bias = objective.logits == "tied" and bool(objective.layers)
        self.bias = nn.Parameter(torch.zeros(vocabulary)) if tied_bias else None
        self.softcap = design.backbone.softcap
        initialise(self, std=std)

    def forward(self, states: Tensor, targets: Tensor, *, table: Tensor | None) -> Loss:
        """States (M, D) and the genes that they should name (M)."""
        if self.transform is not None:
            states = self.norm(activate(self.transform(states), kind=self.activation))
        if self.words is not None:
            asked, targets = targets.unique(return_inverse=True)
            near = F.normalize(states.float(), dim=1) @ F.normalize(self.words(table[asked]).float(), dim=1).T
            loss = F.cross_entropy(near / self.temperature, targets, reduction="sum")
            return loss, torch.tensor(len(targets), device=targets.device)
        logits = F.linear(states, table, self.bias) if self.out is None else self.out(states)
        if self.softcap:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        loss = F.cross_entropy(logits.float(), targets, reduction="sum")
        return loss, torch.tensor(len(targets), device=targets.device)


class ValueHead(nn.Module):
    """Which value: squared error, or cross-entropy over bins, at the places asked for."""

    def __init__(self, design: Design, objective: Objective, *, width: int) -> None:
        super().__init__()
        self.loss, self.everywhere = objective.loss, objective.everywhere
        out = {"bins": design.value.bins, "zinb": 3}.get(objective.loss, 1)
        self.layers = layers_of(width, out, hidden=objective.layers)
        initialise(self, std=design.backbone.init_std)

    def forward(self, states: Tensor, seen: Pass, *, specials: int) -> Loss:
        """States (B, T, D) of all tokens."""
        genes = seen.batch.ids >= specials
        where = genes if self.everywhere else seen.chosen
        if self.loss == "zinb":
            return zinb(
                self.layers(states).float(), seen.batch.counts.nan_to_num(0.0), genes=genes, where=where
            )
        found, targets = self.layers(states[where]).float(), seen.batch.targets[where]
        n = where.sum()
        if self.loss == "bins":
            return F.cross_entropy(found, targets.long(), reduction="sum"), n
        return ((found[:, 0] - targets) ** 2).sum(), n


def zinb(found: Tensor, counts: Tensor, *, genes: Tensor, where: Tensor) -> Loss:
    """Negative log-likelihood of counts (B, T) under a zero-inflated negative binomial.

    ``found`` (B, T, 3): the mean is a softmax over the cell's genes times their summed count; log
    dispersion; logit of an extra zero.
    """
    share = found[..., 0].masked_fill(~genes, float("-inf")).softmax(-1)
    mean = (share * (counts * genes).sum(-1, keepdim=True))[where].clamp(min=1e-8)
    size, extra, x = found[..., 1][where].clamp(max=15.0).exp() + 1e-8, found[..., 2][where], counts[where]
    log_zero = size * (size.log() - (size + mean).log())
    log_nb = (
        torch.lgamma(x + size)
        - torch.lgamma(size)
        - torch.lgamma(x + 1)
        + log_zero
        + x * (mean.log() - (size + mean).log())
    )
    log_more = F.logsigmoid(extra)
    log_less = F.logsigmoid(-extra)
    likelihood = torch.where(x > 0, log_less + log_nb, torch.logaddexp(log_more, log_less + log_zero))
    return -likelihood.sum(), where.sum()


def truncated_poisson(logits: Tensor, counts: Tensor, *, where: Tensor) -> Loss:
    """Negative log-likelihood of counts from 1 on; means: softmax over the cell times its summed count."""
    share = logits.float().masked_fill(~where, float("-inf")).softmax(-1)
    total = (counts * where).sum(-1, keepdim=True)
    mean, x = (share * total)[where].clamp(min=1e-6), counts[where]
    loss = mean - x * mean.log() + torch.lgamma(x + 1) + torch.log(-torch.expm1(-mean))
    return loss.sum(), where.sum()


class CellValueHead(nn.Module):
    """Values of the places asked for from the cell's vector and the gene's: ⟨W cell, sigmoid(V gene + b)⟩."""

    def __init__(self, design: Design, *, cell_width: int) -> None:
        super().__init__()
        width = design.size.width
        self.query, self.cell = nn.Linear(width, width), nn.Linear(cell_width, width, bias=False)
        initialise(self, std=design.backbone.init_std)

    def forward(self, seen: Pass, *, encoder: Encoder) -> Loss:
        """Loss and number of terms of a pass."""
        query = torch.sigmoid(self.query(encoder.embed.genes(seen.batch.ids)))
        found = (query * self.cell(seen.cells).unsqueeze(1)).sum(-1)[seen.chosen].float()
        return ((found - seen.batch.targets[seen.chosen]) ** 2).sum(), seen.chosen.sum()


class ProfileHead(nn.Module):
    """All values of a cell from its vector; the root of the mean squared error of each cell."""

    def __init__(self, design: Design, *, genes: int, cell_width: int) -> None:
        super().__init__()
        self.out = nn.Linear(cell_width, genes)
        initialise(self, std=design.backbone.init_std)

    def forward(self, seen: Pass, *, specials: int) -> Loss:
        """Loss and number of cells of a pass."""
        gene = seen.batch.ids >= specials
        targets = seen.batch.targets[gene].view(len(gene), -1)
        error = ((self.out(seen.cells).float() - targets) ** 2).mean(1)
        return (error + 1e-12).sqrt().sum(), torch.tensor(len(gene), device=gene.device)


class ExpressedHead(nn.Module):
    """Whether the cell expresses a gene asked for: binary cross-entropy of [cell, gene] (UCE's shape)."""

    def __init__(self, design: Design, *, cell_width: int) -> None:
        super().__init__()
        width = design.size.width
        widths = [cell_width + width, width * 8 // 5, width * 2 // 5, max(width // 10, 1)]
        parts: list[nn.Module] = []
        for into, out in itertools.pairwise(widths):
            parts += [nn.Linear(into, out), nn.LayerNorm(out), nn.GELU()]
        self.layers = nn.Sequential(*parts, nn.Linear(widths[-1], 1))
        initialise(self, std=design.backbone.init_std)

    def forward(self, seen: Pass, *, encoder: Encoder) -> Loss:
        """Loss and number of terms of a pass."""
        gene = encoder.embed.genes(seen.batch.queries)
        cell = seen.cells.unsqueeze(1).expand(-1, gene.shape[1], -1)
        logit = self.layers(torch.cat([cell, gene.to(cell.dtype)], dim=-1))[..., 0].float()
        asked = seen.batch.answers >= 0
        answer = seen.batch.answers.clamp(min=0).float()
        loss = F.binary_cross_entropy_with_logits(logit, answer, reduction="none")
        return (loss * asked).sum(), asked.sum()


class NextValueHead(nn.Module):
    """The value of the next token: its bin, or its count as a zero-truncated Poisson knowing its gene."""

    def __init__(self, design: Design, objective: Objective, *, vocabulary: int) -> None:
        super().__init__()
        self.loss, width = objective.loss, design.size.width
        bins = objective.loss == "bins"
        self.layers = layers_of(
            width if bins else 2 * width,
            design.value.bins if bins else 1,
            hidden=objective.layers,
            activation=nn.GELU,
        )
        self.bias = None if bins else nn.Parameter(torch.zeros(vocabulary))
        initialise(self, std=design.backbone.init_std)

    def forward(self, seen: Pass, *, encoder: Encoder, specials: int) -> Loss:
        """Loss and number of tokens that follow another."""
        states, ids = seen.states[:, :-1], seen.batch.ids[:, 1:]
        where = ids >= specials
        if self.bias is None:
            targets = seen.batch.targets[:, 1:][where].long()
            return F.cross_entropy(self.layers(states[where]).float(), targets, reduction="sum"), where.sum()
        known = torch.cat([states, encoder.embed.genes(ids).to(states.dtype)], dim=-1)
        logits = self.layers(known)[..., 0] + self.bias[ids]
        return truncated_poisson(logits, seen.batch.targets[:, 1:].nan_to_num(0.0), where=where)
