"""One optimiser step over a batch: in parts where it does not fit into memory, shared among processes."""

import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.transformer.adamw import AdamW
from models.transformer.batch import Batch
from models.transformer.choices import Objective, Training
from models.transformer.errors import TrainingError
from models.transformer.flops import counted
from models.transformer.infer import autocast
from models.transformer.masking import Masked
from models.transformer.objectives import Network
from models.transformer.ranks import Ranks
from models.transformer.room import out_of_memory

COUNT_AFTER = 20.0
OF_SINGLE_CELLS = {
    "gene",
    "value",
    "cell_value",
    "next_gene",
    "next_value",
    "expressed",
    "prompt",
    "profile",
    "teacher",
    *("cell_type", "prototype", "text", "match", "batch"),
}
"""Objectives that ask each cell alone. A batch of any other is never split: its loss would be another one."""

Losses = dict[str, tuple[Tensor, Tensor]]


class Stepper:
    """Network and optimiser; a call is one step, the same however the batch is split.

    What is hidden is drawn for the whole batch before it is split, and each objective's mean is
    over the terms of the whole batch, so that neither the number of processes nor that of
    parts changes the gradient beyond rounding. Dropout is drawn part by part.

    ``most`` cells go through at once; by default all, and half as many each time memory runs out.
    ``compile`` lets torch compile the blocks. ``flops_per_token`` is counted after ``count_after``
    seconds of work (waiting for neighbours is none): counting loads what takes torch two seconds, too dear
    for a small training.
    """

    def __init__(
        self,
        network: Network,
        training: Training,
        *,
        ranks: Ranks,
        most: int | None = None,
        compile: bool = False,
        count_after: float = COUNT_AFTER,
    ) -> None:
        self.network, self.clip, self.ranks = network, training.clip, ranks
        self.most, self.compile = most, compile
        self._begun, self._count_after = time.thread_time(), count_after
        self.learnt = [weight for weight in network.parameters() if weight.requires_grad]
        self.optimiser = AdamW(self.learnt, decay=training.decay)
        self.device = self.learnt[0].device
        self.flops_per_token: float | None = None

    def __call__(self, batch: Batch, *, rate: float, seed: list[int]) -> tuple[Losses, Tensor]:
        """Summed loss and number of terms of each objective over the whole batch, and the gradient's norm."""
        mask_seed, dropout_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
        batch = batch.to(self.device)
        masked = self.network.mask(batch, seed=mask_seed)
        rows = self.ranks.share(len(batch.ids))
        self._refuse_split(self.ranks.count > 1, objectives=self.network.design.objectives)
        while True:
            self.optimiser.forget_gradients()
            torch.manual_seed(dropout_seed + self.ranks.number)
            try:
                losses = self._gradients(batch, masked, self._parts(rows))
                break
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                self._halve(len(rows))
        self.ranks.sum_gradients(self.learnt)
        norm = torch.nn.utils.clip_grad_norm_(self.learnt, self.clip)
        self.optimiser.step(rate=rate)
        self.network.after_step()
        return losses, norm

    def _parts(self, rows: np.ndarray) -> list[Tensor]:
        most = self.most or max(len(rows), 1)
        return [torch.from_numpy(rows[i : i + most]).to(self.device) for i in range(0, len(rows), most)]

    def _gradients(self, batch: Batch, masked: Masked, parts: Sequence[Tensor]) -> Losses:
        """Leave this process' share of the gradients; losses and terms are those of all processes."""
        terms = self._terms(batch, masked, parts) if len(parts) != 1 else None
        sums = {kind: torch.zeros((), device=self.device) for kind in self.network.weights}
        for part in parts:
            losses = self._counted(batch, masked, part, terms)
            terms = terms or {kind: n for kind, (_, n) in losses.items()}
            sums = {kind: sums[kind] + loss for kind, (loss, _) in losses.items()}
        sums = self._shared(sums)
        return {kind: (sums[kind], terms[kind]) for kind in sums}

    def _counted(self, batch: Batch, masked: Masked, part: Tensor, terms: dict[str, Tensor] | None) -> Losses:
        """The gradient of a part; once, when it is due, its arithmetic is counted on the way."""
        due = self.compile or time.thread_time() - self._begun >= self._count_after
        if self.flops_per_token is not None or not due:
            return self._learn(batch, masked, part, terms)
        losses, flops = counted(lambda: self._learn(batch, masked, part, terms))
        self.flops_per_token = flops / int(batch.real[part].sum())
        if self.compile:  # from here on: a compiled network hides its products from the count
            for block in self.network.encoder.blocks:
                block.compile(dynamic=True)
        return losses

    def _learn(self, batch: Batch, masked: Masked, part: Tensor, terms: dict[str, Tensor] | None) -> Losses:
        """Add the gradient of some cells; without ``terms`` they are all that this process has."""
        losses = self._forward(batch, masked, part)
        terms = terms or self._shared({kind: n for kind, (_, n) in losses.items()})
        total = sum(
            weight * losses[kind][0] / terms[kind].clamp(min=1).float()
            for kind, weight in self.network.weights.items()
        )
        total.backward()
        return {kind: (loss.detach(), terms[kind]) for kind, (loss, _) in losses.items()}

    @torch.no_grad()
    def _terms(self, batch: Batch, masked: Masked, parts: Sequence[Tensor]) -> dict[str, Tensor]:
        """Terms of each objective over all parts, known before any gradient, by passes of their own.

        That costs a third of the time once more, for a gradient that is the same in however many parts.
        """
        self._refuse_split(len(parts) > 1, objectives=self.network.design.objectives)
        terms = {kind: torch.zeros((), device=self.device) for kind in self.network.weights}
        for part in parts:
            found = self._forward(batch, masked, part)
            terms = {kind: terms[kind] + n for kind, (_, n) in found.items()}
        return self._shared(terms)

    def _forward(self, batch: Batch, masked: Masked, part: Tensor) -> Losses:
        some, shown = taken(batch, part), taken(masked.shown, part)
        with autocast(self.device):
            return self.network(some, Masked(shown, masked.chosen[part]))

    def _shared(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        summed = self.ranks.summed(list(values.values()), device=self.device)
        return dict(zip(values, summed, strict=True))

    def _refuse_split(self, split: bool, *, objectives: Sequence[Objective]) -> None:
        whole = [objective.kind for objective in objectives if objective.kind not in OF_SINGLE_CELLS]
        if split and whole:
            raise TrainingError(
                f"objective {whole[0]} compares the cells of a batch, which can be neither split nor shared "
                "among processes; lower batch_cells, or train in one process"
            )

    def _halve(self, rows: int) -> None:
        """After running out of memory: half as many cells at once from now on."""
        most = min(self.most or rows, rows)
        if self.ranks.count > 1 or most <= 1:
            alone = "one cell alone" if most <= 1 else f"{most} cells a process"
            raise TrainingError(f"{alone} do not fit into memory; choose a smaller size or batch_cells")
        self.most = most // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        print(f"pretrain: out of memory; on with {self.most} cells at once, same gradient", file=sys.stderr)


def taken(batch: Batch, rows: Tensor) -> Batch:
    """Some cells of a batch, as wide as before."""
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return Batch(**{name: value if value is None else value[rows] for name, value in values.items()})
