"""How much goes through the network at once."""

import sys

import numpy as np
import torch

CPU_TOKENS = 4096  # what suits the caches; larger passes were no faster
GPU_TOKENS = 2**15
GPU_SHARE = 0.5
MOST_TOKENS = 2**21


class Room:
    """Cells, or tokens, of one pass; found on a GPU by what passes take, halved where memory runs out.

    ``cells`` is the most cells of a pass; null leaves it to the number of tokens, padding counted:
    fixed on a processor, so that a result is the same to the bit each time, and on a GPU what
    fits into half of the memory that is free.
    """

    def __init__(self, device: torch.device, *, cells: int | None = None) -> None:
        self.device, self.cells = device, cells
        self.tokens = sys.maxsize if cells else {"cuda": GPU_TOKENS}.get(device.type, CPU_TOKENS)
        self._settled = cells is not None or device.type != "cuda"

    def first(self, lengths: np.ndarray) -> int:
        """How many of the cells, the longest first, go through together; at least one."""
        most = max(self.tokens // max(int(lengths[0]), 1), 1)
        return min(most, self.cells or most, len(lengths))

    def halve(self, cells: int, longest: int) -> None:
        """Take half of what did not fit: so many cells of ``longest`` tokens."""
        self.tokens, self._settled = max(cells // 2, 1) * longest, True
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        print(f"out of memory with {cells} cells of {longest} tokens; on with half as many", file=sys.stderr)

    def learn(self, tokens: int) -> None:
        """After a pass of so many tokens on a GPU: how many would fill its share of the memory."""
        if self._settled:
            return
        taken = torch.cuda.max_memory_allocated(self.device) - torch.cuda.memory_allocated(self.device)
        self.tokens = fitting(tokens, taken=taken, free=torch.cuda.mem_get_info(self.device)[0])
        self._settled = True


def fitting(tokens: int, *, taken: int, free: int) -> int:
    """Tokens that fill half of the ``free`` bytes, after so many took ``taken``; at least so many."""
    return int(np.clip(GPU_SHARE * free / max(taken, 1) * tokens, tokens, max(tokens, MOST_TOKENS)))


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on a GPU or on a processor, which has no error of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
