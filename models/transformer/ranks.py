"""Several processes, one training: each takes its share of every batch (``torchrun`` starts them)."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed, nn

from models.transformer.errors import TrainingError


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """Which of how many processes this is. All keep the same weights; gradients are summed over them."""

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes what all know."""
        return self.number == 0

    def share(self, cells: int) -> np.ndarray:
        """Positions of this process' cells in a batch: every ``count``-th, to share lengths too."""
        return np.arange(self.number, cells, self.count)

    def require_same(self, text: str, *, device: torch.device) -> None:
        """Refuse to train where ``text``, what this process starts from, is not that of all processes."""
        own = torch.tensor(int(hashlib.sha256(text.encode()).hexdigest()[:6], 16))
        total, squares = self.summed([own, own.double() ** 2], device=device)
        if total != self.count * own or squares != self.count * own.double() ** 2:
            raise TrainingError(
                f"process {self.number} of {self.count} starts from another corpus, other options or another "
                "step than the rest; let all see one folder, and the same files"
            )

    def summed(self, values: Sequence[Tensor], *, device: torch.device) -> list[Tensor]:
        """Sums of some numbers over the processes, float64."""
        found = torch.stack([value.detach().double() for value in values]).to(device)
        if self.count > 1:
            distributed.all_reduce(found)
        return list(found)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over the processes; what has none anywhere keeps none."""
        if self.count == 1:
            return
        device = parameters[0].device
        there = torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32, device=device)
        distributed.all_reduce(there, op=distributed.ReduceOp.MAX)
        used = [p for p, some in zip(parameters, there.tolist(), strict=True) if some]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in used])
        distributed.all_reduce(flat)
        for p, part in zip(used, flat.split([p.numel() for p in used]), strict=True):
            p.grad = part.view_as(p)

    def gathered(self, own: np.ndarray, *, cells: int, device: torch.device) -> np.ndarray:
        """Rows (``cells``, D) of all processes, each of which has those of its ``share``; alike in all."""
        if self.count == 1:
            return own
        rows = torch.from_numpy(own).to(device)
        whole = rows.new_zeros((cells, *rows.shape[1:]))
        whole[self.number :: self.count] = rows
        distributed.all_reduce(whole)
        return whole.numpy(force=True)


ALONE = Ranks()


@contextlib.contextmanager
def joined(device: torch.device, *, name: str = "") -> Iterator[Ranks]:
    """The processes that ``torchrun`` started, by its environment; one alone without it.

    NCCL between GPUs, each process on its own; gloo between processors. A group that the caller
    made is used and left as it is. Who joins more than once gives each group a ``name`` of its own: the
    others are looked up under it, and must not be found where they were before.
    """
    if distributed.is_available() and distributed.is_initialized():
        yield Ranks(number=distributed.get_rank(), count=distributed.get_world_size())
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, number, count = next(distributed.rendezvous("env://"))
    store = distributed.PrefixStore(name, store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=number, world_size=count)
    try:
        yield Ranks(number=number, count=count)
    finally:
        distributed.destroy_process_group()
