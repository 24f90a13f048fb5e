"""The pass over all pairs on a GPU, where there is one: exact for a million cells."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from metrics.checks import Floats, Ints
from metrics.pairs_exact import CLOSE, SLACK, SPARE

if TYPE_CHECKING:
    from torch import Tensor

FROM = 20_000  # cells; fewer are done sooner than torch is imported
STEP_BYTES = 2**32  # of one step's distances


@cache
def device() -> str | None:
    """Name of the GPU that torch can use, or None; torch is imported only where a driver is seen."""
    if not Path("/proc/driver/nvidia/version").exists():
        return None
    import torch

    return "cuda" if torch.cuda.is_available() else None


def scan_on(
    where: str, points: Floats, *, k: int, own: Ints | None, n_groups: int, cells: Ints
) -> tuple[Ints, Floats, Floats]:
    """Do as ``metrics.pairs.scan`` on the device ``where``: float32 proposes, float64 decides."""
    import torch

    columns = _Columns(torch.as_tensor(points, dtype=torch.float64, device=where), own, n_groups)
    step = max(1, STEP_BYTES // (4 * len(points)))
    rows = torch.as_tensor(cells, device=where)
    found = [columns.visit(rows[start : start + step], k) for start in range(0, len(rows), step)]
    return tuple(torch.cat(column).cpu().numpy() for column in zip(*found, strict=True))


class _Columns:
    """All points as columns on the device."""

    def __init__(self, points: "Tensor", own: Ints | None, n_groups: int) -> None:
        self.points, self.single = points, points.float()
        self.squares = points.square().sum(dim=1)
        self.hot = points.new_zeros(len(points), n_groups)
        if own is not None:
            self.hot[range(len(points)), own] = 1

    def visit(self, rows: "Tensor", k: int) -> tuple["Tensor", "Tensor", "Tensor"]:
        """Indices, distances and sums of some rows; those that float32 leaves unsure again in float64."""
        squares = self.squares[rows]
        rough = (squares[:, None] + self.squares).float()
        rough.addmm_(self.single[rows], self.single.T, alpha=-2.0)
        indices, distances, border = self._nearest(rough, rows, k)
        totals = self._sums(rough, rows)
        unsure = squares.new_zeros(len(rows)).bool()
        if k:
            last = distances[:, -1]
            unsure |= border <= last.square() + SLACK * (squares + (squares.sqrt() + last).square())
        if totals.shape[1]:
            mean = (totals / self.hot.sum(dim=0)).min(dim=1).values
            unsure |= mean < CLOSE * (squares + self.squares.mean()).sqrt()
        for at in unsure.nonzero()[:, 0].split(256):
            indices[at], distances[at], totals[at] = self._exactly(rows[at], k)
        return indices, distances, totals

    def _exactly(self, rows: "Tensor", k: int) -> tuple["Tensor", "Tensor", "Tensor"]:
        import torch

        apart = torch.cdist(self.points[rows], self.points, compute_mode="donot_use_mm_for_euclid_dist")
        totals = apart @ self.hot
        apart[range(len(rows)), rows] = torch.inf
        distances, order = apart.sort(dim=1, stable=True)
        return order[:, :k], distances[:, :k], totals

    def _nearest(self, rough: "Tensor", rows: "Tensor", k: int) -> tuple["Tensor", "Tensor", "Tensor"]:
        """The k nearest of the best candidates, and the squared distance below which none was left out."""
        import torch

        if not k:
            return rows.new_empty(len(rows), 0), self.points.new_empty(len(rows), 0), self.points.new_empty(0)
        rough[range(len(rows)), rows] = torch.inf
        width = min(k + SPARE, len(self.points) - 1)
        values, candidates = rough.topk(width, largest=False, sorted=False)
        candidates = candidates.sort(dim=1).values
        exact = torch.cat(
            [
                (self.points[near] - self.points[here, None]).square().sum(dim=2).sqrt()
                for near, here in zip(candidates.split(1024), rows.split(1024), strict=True)
            ]
        )
        distances, order = exact.sort(dim=1, stable=True)
        whole = width == len(self.points) - 1
        border = torch.full_like(values[:, 0], torch.inf) if whole else values.max(dim=1).values
        return candidates.gather(1, order)[:, :k], distances[:, :k].contiguous(), border

    def _sums(self, rough: "Tensor", rows: "Tensor") -> "Tensor":
        if not self.hot.shape[1]:
            return self.points.new_empty(len(rows), 0)
        rough[range(len(rows)), rows] = 0
        return (rough.abs_().sqrt_() @ self.hot.float()).double()
