"""The network with what pre-training asks of it."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.transformer.batch import Batch
from models.transformer.block import initialise
from models.transformer.choices import Objective
from models.transformer.counts import BATCH, TYPE
from models.transformer.decoder import TokenStates
from models.transformer.heads import (
    CellValueHead,
    ExpressedHead,
    GeneHead,
    Loss,
    NextValueHead,
    Pass,
    ProfileHead,
    ValueHead,
    layers_of,
)
from models.transformer.masking import Masked, hide
from models.transformer.model import Encoder
from models.transformer.recipe import Design
from models.transformer.told import (
    BatchHead,
    ClipHead,
    MatchHead,
    PrototypeHead,
    TextHead,
    TypeHead,
    Types,
    ranked,
    similarity,
)

HEADLESS = ("prompt", "contrast", "ontology", "similarity")


class Network(nn.Module):
    """Encoder, heads and, where one is asked for, a teacher; ``forward`` gives the losses of a batch."""

    def __init__(self, design: Design, *, vocabulary: int, specials: int) -> None:
        super().__init__()
        self.design, self.vocabulary, self.specials = design, vocabulary, specials
        self.encoder = Encoder(design, vocabulary=vocabulary, specials=specials)
        self.states = TokenStates(design)
        self.heads = nn.ModuleDict(
            {o.kind: self._head(o) for o in design.objectives if o.kind not in HEADLESS}
        )
        self.types = Types(design) if design.told[0] else None
        self.teacher: Encoder | None = None
        if "teacher" in self.heads:
            self.teacher = copy.deepcopy(self.encoder).requires_grad_(False)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each objective in the sum."""
        return {objective.kind: objective.weight for objective in self.design.objectives}

    def mask(self, batch: Batch, *, seed: int) -> Masked:
        """Hide something of a batch; a function of the batch and the seed alone."""
        masking = self.design.masking
        if masking is None:
            return Masked(batch, torch.zeros_like(batch.real))
        patch = self.design.size.patch if self.design.identity.kind == "patch" else 1
        return hide(
            batch,
            masking,
            specials=self.specials,
            vocabulary=self.vocabulary,
            generator=torch.Generator(batch.ids.device).manual_seed(seed),
            patch=patch,
        )

    def forward(self, batch: Batch, masked: Masked) -> dict[str, Loss]:
        """Summed loss of each objective, and its number of terms."""
        encoded = self.encoder(masked.shown)
        states = self.states(encoded, masked.shown, self.encoder)
        if self.design.pooler.project == "shared":  # what is asked of the cell is not for the blocks
            encoded = encoded._replace(hidden=encoded.hidden.detach())
        seen = Pass(batch, masked.shown, masked.chosen, states, self.encoder.cell(encoded))
        return {objective.kind: self._loss(objective, seen) for objective in self.design.objectives}

    @torch.no_grad()
    def after_step(self) -> None:
        """Let the teacher follow its student."""
        if self.teacher is None:
            return
        (momentum,) = [o.momentum for o in self.design.objectives if o.kind == "teacher"]
        for slow, fast in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)

    def _head(self, objective: Objective) -> nn.Module:
        design, width, cell_width = self.design, self.states.width, self.design.cell_width
        match objective.kind:
            case "gene" | "next_gene":
                return GeneHead(design, objective, vocabulary=self.vocabulary, width=width)
            case "value":
                return ValueHead(design, objective, width=width)
            case "cell_value":
                return CellValueHead(design, cell_width=cell_width)
            case "next_value":
                return NextValueHead(design, objective, vocabulary=self.vocabulary)
            case "expressed":
                return ExpressedHead(design, cell_width=cell_width)
            case "profile":
                return ProfileHead(design, genes=self.vocabulary - self.specials, cell_width=cell_width)
            case "cell_type":
                return TypeHead(design, cell_width=cell_width, tree=objective.tree)
            case "prototype":
                return PrototypeHead(design, cell_width=cell_width)
            case "text":
                return TextHead(design, cell_width=cell_width, temperature=objective.temperature)
            case "clip":
                return ClipHead(design, temperature=objective.temperature)
            case "match":
                return MatchHead(design, width=width)
            case "batch":
                return BatchHead(design, cell_width=cell_width)
        predictor = layers_of(cell_width, cell_width, hidden=1, activation=nn.GELU)
        initialise(predictor, std=design.backbone.init_std)
        return predictor

    def _loss(self, objective: Objective, seen: Pass) -> Loss:
        encoder, ids = self.encoder, seen.batch.ids
        table = encoder.gene_table
        match objective.kind:
            case "gene":
                return self.heads["gene"](seen.states[seen.chosen], ids[seen.chosen], table=table)
            case "next_gene":
                where = ids[:, 1:] >= self.specials
                return self.heads["next_gene"](seen.states[:, :-1][where], ids[:, 1:][where], table=table)
            case "value":
                return self.heads["value"](seen.states, seen, specials=self.specials)
            case "prompt":
                again = encoder(seen.shown, first=seen.cells.detach())
                states = self.states(again, seen.shown, encoder)
                return self.heads["value"](states, seen, specials=self.specials)
            case "cell_value":
                return self.heads["cell_value"](seen, encoder=encoder)
            case "next_value":
                return self.heads["next_value"](seen, encoder=encoder, specials=self.specials)
            case "expressed":
                return self.heads["expressed"](seen, encoder=encoder)
            case "profile":
                return self.heads["profile"](seen, specials=self.specials)
            case "teacher":
                return self._distance(seen)
            case "contrast":
                return self._contrast(seen, temperature=objective.temperature)
            case "similarity":
                return similarity(seen.cells, beta=objective.beta)
            case "batch":
                return self.heads["batch"](seen.cells, seen.batch.marks[:, BATCH])
        return self._of_type(objective, seen)

    def _of_type(self, objective: Objective, seen: Pass) -> Loss:
        """What is asked of cells whose type is told."""
        cells, types, about = seen.cells, seen.batch.marks[:, TYPE], self.types
        match objective.kind:
            case "cell_type":
                return self.heads["cell_type"](cells, types, below=about.below)
            case "prototype":
                prototypes = self.heads["cell_type"].prototypes.weight
                return self.heads["prototype"](cells, types, prototypes=prototypes)
            case "text":
                return self.heads["text"](cells, types, texts=about.texts)
            case "clip":
                return self.heads["clip"](cells, types, texts=about.texts)
            case "match":
                tokens = {"states": seen.states, "real": seen.batch.real}
                return self.heads["match"](cells, types, texts=about.texts, head=self.heads["text"], **tokens)
        other = self.encoder.cell(self.encoder(seen.shown))
        return ranked(cells, other, types, about=about, temperature=objective.temperature)

    def _distance(self, seen: Pass) -> Loss:
        """Cosine distance of the student's prediction from the teacher's cell."""
        with torch.no_grad():
            self.teacher.eval()
            wanted = self.teacher.cell(self.teacher(seen.batch))
        found = self.heads["teacher"](seen.cells)
        return (1 - F.cosine_similarity(found.float(), wanted.float())).sum(), _number(seen.cells)

    def _contrast(self, seen: Pass, *, temperature: float) -> Loss:
        """InfoNCE of a cell with itself under other dropout, against the other cells of the batch."""
        other = self.encoder.cell(self.encoder(seen.shown))
        near = F.normalize(seen.cells.float(), dim=1) @ F.normalize(other.float(), dim=1).T / temperature
        same = torch.arange(len(near), device=near.device)
        return F.cross_entropy(near, same, reduction="sum"), _number(seen.cells)


def _number(cells: Tensor) -> Tensor:
    return torch.tensor(len(cells), device=cells.device)
