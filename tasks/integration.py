"""Embedding quality: does an embedding keep cell types apart and mix batches?

Each metric stands on the cells that have what it needs (a label, a batch, an
ontology id), and says on how many. An inductive embedding is measured on its test
cells alone, a transductive one on all cells of known units.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

import metrics
from contract.progress import Progress
from tasks.cells import Cells
from tasks.knowledge import Knowledge
from tasks.measured import Measured, measure, missing
from tasks.table import TASKS
from tasks.view import View

Access = Literal["inductive", "transductive"]
TASK = TASKS["integration"]


def score_integration(
    Z: np.ndarray,
    cells: Cells,
    *,
    access: Access,
    primary: str,
    knowledge: Knowledge,
    primary_only: bool = False,
    most: int | None = None,
) -> list[Measured]:
    """Measure an embedding ``Z`` (N, D) of N cells.

    Returns one value of each metric (or of ``primary`` only) over the scored cells (unit ``set``),
    and for ``primary`` one value with each unit left out (``without:<unit>``) where there are
    two units or more. With no split every cell is a test cell. Of more than ``most`` scored cells so many
    are drawn, the same ones of every embedding; each value's ``n`` says how many it stands on.
    """
    rows = np.flatnonzero(scored_cells(cells, access=access))
    if most is not None and len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    Z, cells = np.asarray(Z, dtype=np.float64)[rows], cells.take(rows)
    whole = _Evaluation(View(Z=Z, cells=cells, knowledge=knowledge))
    names, units = [primary] if primary_only else TASK.metrics, _units(cells)
    told = Progress("integration", len(names) + len(units))
    found = list(told((whole.value_of(name, unit="set") for name in names), size=lambda _: 1))
    if whole.value_of(primary, unit="set").status != "ok":
        return found
    left_out = (whole.without(unit).value_of(primary, unit=f"without:{unit}") for unit in units)
    return [*found, *told(left_out, size=lambda _: 1)]


def scored_cells(cells: Cells, *, access: Access) -> np.ndarray:
    """Boolean mask (N,): the test cells; for a transductive embedding the training cells, too.

    Cells whose unit is unknown (``excluded``) count in neither: they are never left out, so
    the jackknife would not see that they vary.
    """
    return cells.part != "excluded" if access == "transductive" else cells.part == "test"


def _units(cells: Cells) -> list[str]:
    """Units that a jackknife leaves out: none where there is only one."""
    units = sorted(set(cells.unit[cells.known("unit")]))
    return units if len(units) > 1 else []


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric is read off a view, which columns its cells must have, what to say beside a value.

    ``used`` counts the cells that the value rests on, where these are not all of the view.
    """

    needs: tuple[str, ...]
    read: Callable[[View], float]
    remark: Callable[[View], str] = lambda view: ""
    used: Callable[[View], int] = lambda view: len(view.cells)


def _defined(value: float) -> float:
    if np.isnan(value):
        raise metrics.Undefined("all types are equally far, or no permutation of them differs")
    return value


def _rwr_remark(view: View) -> str:
    found = view.ontorwr
    parts = [f"{found.n_types} types: descriptive only"] if found.descriptive else []
    parts += [f"left out for too few cells: {_counted(found.n_small, 'type')}"] if found.n_small else []
    return "; ".join(parts)


def _rough_remark(view: View, field: str) -> str:
    found, n = view.roughness, len(view.cells)
    if found.n_used == n:
        return ""
    error = getattr(found, f"se_{field}")
    return f"mean of draws of {found.n_used} of {n} cells, types in proportion; standard error {error:.2g}"


def _sums_remark(view: View) -> str:
    if view.sums.cells is None:
        return ""
    used, error = len(view.sums.cells), metrics.silhouette_error(view.sums)
    return f"on {used} of {len(view.cells)} cells, types in proportion; standard error {error:.2g}"


def _near_remark(view: View) -> str:
    recall = view.neighbors.recall
    return "" if recall == 1 else f"approximate neighbours, {recall:.1%} of the true ones"


def _scgraph_remark(view: View) -> str:
    left = view.scgraph.n_left_out
    return f"left out for too few cells: {_counted(left, 'type')}" if left else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _ontology(field: str) -> Measure:
    return Measure(
        ("ontology_id",),
        lambda v: _defined(getattr(v.ontorwr, field)),
        remark=_rwr_remark,
        used=lambda v: v.ontorwr.n_used,
    )


def _rough(field: str) -> Measure:
    return Measure(
        ("label",),
        lambda v: getattr(v.roughness, field),
        remark=lambda v: _rough_remark(v, field),
        used=lambda v: v.roughness.n_used,
    )


def _scgraph(field: str) -> Measure:
    return Measure(
        BOTH, lambda v: _defined(getattr(v.scgraph, field)), _scgraph_remark, lambda v: v.scgraph.n_used
    )


def _near(needs: tuple[str, ...], read: Callable[[View], float]) -> Measure:
    return Measure(needs, read, remark=_near_remark)


LABEL, BATCH, BOTH = ("label",), ("batch",), ("label", "batch")
MEASURES: Mapping[str, Measure] = {
    "isolated_labels": Measure(
        BOTH, lambda v: metrics.isolated_labels(v.Z, v.label, v.batch, sums=v.sums), _sums_remark
    ),
    "nmi_kmeans": Measure(LABEL, lambda v: v.kmeans.nmi),
    "ari_kmeans": Measure(LABEL, lambda v: v.kmeans.ari),
    "silhouette_label": Measure(
        LABEL, lambda v: metrics.silhouette_label(v.Z, v.label, sums=v.sums), _sums_remark
    ),
    "clisi": _near(LABEL, lambda v: metrics.clisi(v.neighbors, v.label, weights=v.lisi_weights)),
    "bras": Measure(BOTH, lambda v: metrics.bras(v.Z, v.label, v.batch)),
    "ilisi": _near(BATCH, lambda v: metrics.ilisi(v.neighbors, v.batch, weights=v.lisi_weights)),
    "cilisi": Measure(BOTH, lambda v: metrics.cilisi(v.Z, v.label, v.batch)),
    "kbet": _near(BOTH, lambda v: metrics.kbet(v.neighbors, v.label, v.batch)),
    "graph_connectivity": _near(LABEL, lambda v: metrics.graph_connectivity(v.neighbors, v.label)),
    "pcr_comparison": Measure(BATCH, lambda v: metrics.pcr_comparison(v.cells.reference, v.Z, v.batch)),
    "nmi_leiden": _near(LABEL, lambda v: v.leiden[0]),
    "ari_leiden": _near(LABEL, lambda v: v.leiden[1]),
    "scgraph": _scgraph("score"),
    "scgraph_z": _scgraph("z_score"),
    "scgraph_ontorwr": _ontology("score"),
    "scgraph_ontorwr_published": _ontology("published"),
    "scgraph_ontorwr_z": _ontology("z_score"),
    "rogi": _rough("rogi"),
    "rogi_xd": _rough("rogi_xd"),
}
COMBINE: Mapping[str, Callable[..., float]] = {
    "bio_conservation": metrics.bio_conservation,
    "batch_correction": metrics.batch_correction,
    "scib_total": metrics.scib_total,
    "avg_bio": metrics.avg_bio,
}


class _Evaluation:
    """Values of metrics on one set of cells, each computed once."""

    def __init__(self, whole: View) -> None:
        self._whole = whole
        self._views: dict[bytes, View] = {}
        self._values: dict[str, Measured] = {}

    def without(self, unit: str) -> "_Evaluation":
        """The same without a unit's cells; k-means starts where it ended with them."""
        kept = self._whole.cells.unit != unit
        Z, cells = self._whole.Z[kept], self._whole.cells.take(kept)
        return _Evaluation(
            replace(self._whole, Z=Z, cells=cells, starts=lambda: self._view(LABEL).kmeans.centers)
        )

    def value_of(self, name: str, *, unit: str) -> Measured:
        if name not in self._values:
            combined = name in TASK.composites
            self._values[name] = (self._combine if combined else self._measure)(name, unit=unit)
        return self._values[name]

    def _measure(self, name: str, *, unit: str) -> Measured:
        how = MEASURES[name]
        view = self._view(how.needs)
        n = len(view.cells)
        if n == 0:
            needed = " and ".join(how.needs).replace("_", " ")
            return missing(name, status="undefined", reason=f"no cell has a known {needed}", unit=unit, n=0)
        found = measure(name, lambda: how.read(view), n=n, unit=unit)
        if found.status != "ok":
            return found
        return replace(found, reason=how.remark(view), n=how.used(view))

    def _combine(self, name: str, *, unit: str) -> Measured:
        parts = [self.value_of(part, unit=unit) for part in TASK.composites[name]]
        n = min(part.n for part in parts)
        for part in parts:
            if part.status != "ok":
                reason = f"needs {part.metric}, which is {part.status}: {part.reason}"
                return missing(name, status="undefined", reason=reason, unit=unit, n=n)
        said = [part.metric for part in parts if part.reason]
        remark = f"as its parts have it: {', '.join(said)}" if said else ""
        combine = COMBINE[name]
        return measure(name, lambda: combine(*(p.value for p in parts)), n=n, unit=unit, remark=remark)

    def _view(self, needs: tuple[str, ...]) -> View:
        rows = self._whole.cells.known(*needs)
        if rows.all():
            return self._whole
        if rows.tobytes() not in self._views:
            Z, cells = self._whole.Z[rows], self._whole.cells.take(rows)
            self._views[rows.tobytes()] = replace(self._whole, Z=Z, cells=cells)
        return self._views[rows.tobytes()]
