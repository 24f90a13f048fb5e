"""Counts along the real Cell Ontology, with a truth that is known.

Each term of the ontology has a gene programme: log-fold changes of a share of the
genes. A cell type has the programmes of all its ancestors, so types that share much
of their ancestry look alike. Counts are negative binomial. Each donor sits in one
batch; donors and batches shift genes, batches also library size and dropout.
"""

import argparse
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from atlas.blocks import CountsFile
from atlas.genes import gene_table
from atlas.ontology import cell_ontology
from contract.errors import UserError
from contract.files import atomic
from contract.progress import Progress

BLOCK_VALUES = 1 << 23
"""Values that are drawn at once: some 400 MB. Cells beyond the first block depend on it."""
_WHOLE = {"seed": 0, "n_cells": 1, "n_batches": 1}
_RANGES = {
    "median_counts": (1.0, 1e6),
    "dispersion": (0.0, 10.0),
    "programme_share": (0.0, 1.0),
    "programme_strength": (0.0, 5.0),
    "donor_strength": (0.0, 5.0),
    "batch_strength": (0.0, 5.0),
    "library_strength": (0.0, 5.0),
    "dropout_strength": (0.0, 1.0),
    "depth_spread": (0.0, 3.0),
    "composition": (1e-3, 1e6),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulation:
    """Every size and strength of a simulation; all strengths are in natural-log units, 0 is none.

    ``types`` are ids of live Cell Ontology terms. ``median_counts`` is the median number
    of counts a cell before dropout, ``depth_spread`` its log-normal spread. ``dispersion``
    is α in var = μ + α μ² (0: Poisson). A term's programme moves ``programme_share`` of the
    genes by N(0, ``programme_strength``). ``composition`` is the Dirichlet concentration of a
    donor's cell types (large: the same in all donors). ``dropout_strength`` is the chance
    to lose a count of an unexpressed gene in the last batch; the others lose less.
    """

    seed: int
    n_cells: int
    types: tuple[str, ...]
    n_genes: int = 1000
    n_donors: int = 8
    n_batches: int = 2
    median_counts: float = 1000.0
    dispersion: float = 0.4
    programme_share: float = 0.1
    programme_strength: float = 0.42
    donor_strength: float = 0.15
    batch_strength: float = 0.2
    library_strength: float = 0.3
    dropout_strength: float = 0.3
    depth_spread: float = 0.35
    composition: float = 4.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))
        for name, least in _WHOLE.items():
            _check(name, getattr(self, name), least=least, kinds=int)
        for name, (least, most) in _RANGES.items():
            _check(name, getattr(self, name), least=least, most=most, kinds=int | float)
        _check("n_genes", self.n_genes, least=2, most=len(gene_table().ids), kinds=int)
        _check("n_donors", self.n_donors, least=self.n_batches, most=self.n_cells, kinds=int)
        if not self.types or len(set(self.types)) != len(self.types):
            raise UserError(
                "simulation: types", found=f"{list(self.types)}", expected="distinct ids, one at least"
            )
        for term in self.types:
            live = cell_ontology().resolve(term, where="simulation: types")
            if live != term:
                raise UserError("simulation: types", found=f"{term}, which is obsolete", todo=f"write {live}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """Type, donor and batch (N,) of each cell, as numbers from 0 on."""

    kind: np.ndarray
    donor: np.ndarray
    batch: np.ndarray


def simulate(simulation: Simulation) -> ad.AnnData:
    """Draw the cells; the same numbers for the same parameters.

    Returns
    -------
    AnnData
        ``X`` (N, G) CSR float32 counts; ``var_names`` Ensembl ids, ``symbol``; ``obs``:
        ``cell_type``, ``cell_type_ontology_term_id``, ``donor_id``, ``batch``;
        ``uns["simulation"]`` the parameters.
    """
    design, blocks = _drawn(simulation)
    counts = sparse.vstack(list(blocks), format="csr")
    uns = {"simulation": _parameters(simulation)}
    return ad.AnnData(X=counts, obs=_obs(simulation, design), var=_var(simulation), uns=uns)


def simulate_to_file(simulation: Simulation, path: Path) -> None:
    """Write the cells as h5ad, atomically, block by block: memory does not grow with their number.

    The same bytes for the same parameters and libraries.
    """
    design, blocks = _drawn(simulation)
    reading = Progress("simulated cells", simulation.n_cells)
    with atomic(path) as temporary, CountsFile(temporary) as file:
        for block in reading(blocks, size=lambda counts: counts.shape[0]):
            file.append(block)
        uns = {"simulation": _parameters(simulation)}
        file.finish(obs=_obs(simulation, design), var=_var(simulation), uns=uns)


def _drawn(simulation: Simulation) -> tuple[Design, Iterator[sparse.csr_matrix]]:
    rng = np.random.default_rng([simulation.seed, 0])
    donor = np.sort(np.arange(simulation.n_cells) % simulation.n_donors)
    kind = _draw_types(simulation, donor=donor, rng=rng)
    design = Design(kind=kind, donor=donor, batch=donor % simulation.n_batches)
    return design, _draw_counts(simulation, design, rng=rng)


def type_log_folds(simulation: Simulation) -> np.ndarray:
    """(T, G) log-fold changes: the sum of the programmes of each type's ancestors, itself included.

    A term's programme depends on the seed and the term alone: a type looks the same
    whichever others are simulated beside it.
    """
    ontology = cell_ontology()
    lineages = [ontology.ancestors(term) for term in simulation.types]
    programmes = {term: _programme(simulation, term) for term in sorted(frozenset().union(*lineages))}
    return np.array([np.sum([programmes[t] for t in sorted(line)], axis=0) for line in lineages])


def _programme(simulation: Simulation, term: str) -> np.ndarray:
    rng = np.random.default_rng([simulation.seed, 1, int(term.rpartition(":")[2])])
    moved = rng.random(simulation.n_genes) < simulation.programme_share
    return moved * rng.normal(0.0, simulation.programme_strength, simulation.n_genes)


def _draw_types(simulation: Simulation, *, donor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n_types = len(simulation.types)
    shares = rng.dirichlet(np.full(n_types, simulation.composition), size=simulation.n_donors)
    return np.array([rng.choice(n_types, p=shares[d]) for d in donor])


def _draw_counts(
    simulation: Simulation, design: Design, *, rng: np.random.Generator
) -> Iterator[sparse.csr_matrix]:
    s, n_genes = simulation, simulation.n_genes
    base = rng.normal(0.0, 1.0, n_genes)
    by_donor = rng.normal(0.0, s.donor_strength, (s.n_donors, n_genes))
    by_batch = rng.normal(0.0, s.batch_strength, (s.n_batches, n_genes))
    library = rng.normal(0.0, s.library_strength, s.n_batches)
    by_type = type_log_folds(s)
    depth = s.median_counts * np.exp(library[design.batch] + rng.normal(0.0, s.depth_spread, s.n_cells))
    rows = max(1, BLOCK_VALUES // n_genes)
    draw = _draw_poisson if s.dispersion == s.dropout_strength == 0 else _draw_overdispersed
    for start in range(0, s.n_cells, rows):
        these = slice(start, start + rows)
        kind, donor = design.kind[these], design.donor[these]
        mixes, of = np.unique(np.stack([kind, donor]), axis=1, return_inverse=True)
        level = np.exp(base + by_type[mixes[0]] + by_donor[mixes[1]] + by_batch[mixes[1] % s.n_batches])
        yield draw(s, level=level, of=of, depth=depth[these], batch=design.batch[these], rng=rng)


def _draw_overdispersed(
    s: Simulation,
    *,
    level: np.ndarray,
    of: np.ndarray,
    depth: np.ndarray,
    batch: np.ndarray,
    rng: np.random.Generator,
) -> sparse.csr_matrix:
    """Counts of n cells; cell i has the levels (G,) of row ``of[i]``."""
    mean = depth[:, None] * level[of] / level.sum(axis=1, keepdims=True)[of]
    if s.dispersion > 0:
        mean = mean * rng.gamma(1 / s.dispersion, s.dispersion, mean.shape)
    counts = rng.poisson(mean)
    lost = s.dropout_strength * ((batch + 1) / s.n_batches)[:, None] / (1 + mean)
    return sparse.csr_matrix((counts * (rng.random(mean.shape) >= lost)).astype(np.float32))


def _draw_poisson(
    s: Simulation,
    *,
    level: np.ndarray,
    of: np.ndarray,
    depth: np.ndarray,
    batch: np.ndarray,
    rng: np.random.Generator,
) -> sparse.csr_matrix:
    """The same without dispersion and dropout: a cell's total, then a gene for each count. O(counts)."""
    cells = np.repeat(np.arange(len(depth)), rng.poisson(depth))
    genes = np.empty(len(cells), dtype=np.int64)
    for row, levels in enumerate(level):
        mine = np.flatnonzero(of[cells] == row)
        ends = np.cumsum(levels)
        genes[mine] = np.searchsorted(ends / ends[-1], rng.random(len(mine)), side="right")
    ones = np.ones(len(cells), dtype=np.float32)
    return sparse.csr_matrix((ones, (cells, genes)), shape=(len(depth), s.n_genes))


def _parameters(simulation: Simulation) -> dict[str, object]:
    return {name: list(v) if name == "types" else v for name, v in asdict(simulation).items()}


def _obs(simulation: Simulation, design: Design) -> pd.DataFrame:
    tag = hashlib.sha256(repr(_parameters(simulation)).encode()).hexdigest()[:8]
    types = np.array(simulation.types, dtype=object)
    names = np.array([cell_ontology().names[term] for term in types], dtype=object)
    donors = np.array([f"donor_{d + 1:02d}" for d in range(simulation.n_donors)], dtype=object)
    batches = np.array([f"batch_{b + 1}" for b in range(simulation.n_batches)], dtype=object)
    columns = {
        "cell_type": names[design.kind],
        "cell_type_ontology_term_id": types[design.kind],
        "donor_id": donors[design.donor],
        "batch": batches[design.batch],
    }
    return pd.DataFrame(columns, index=[f"{tag}-{i:06d}" for i in range(simulation.n_cells)])


def _var(simulation: Simulation) -> pd.DataFrame:
    table, n = gene_table(), simulation.n_genes
    return pd.DataFrame({"symbol": list(table.symbols[:n])}, index=list(table.ids[:n]))


def _check(name: str, value: object, *, least: float, kinds: type, most: float = np.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        upper = f" to {most:g}" if most < np.inf else " or more"
        whole = "a whole number" if kinds is int else "a number"
        raise UserError(
            f"simulation: {name}",
            found=repr(value),
            expected=f"{whole} of {least:g}{upper}",
            todo="change it",
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each field of ``Simulation``, and where the h5ad goes."""
    for field in fields(Simulation):
        option = "--" + field.name.replace("_", "-")
        if field.name == "types":
            parser.add_argument(option, nargs="+", required=True, metavar="CL:0000000")
        elif field.name in ("seed", "n_cells"):
            parser.add_argument(option, type=int, required=True)
        else:
            parser.add_argument(
                option, type=type(field.default), default=field.default, help="default %(default)s"
            )
    parser.add_argument("--out", type=Path, required=True, help="the h5ad to write")


def main(args: argparse.Namespace) -> int:
    """Simulate to a file."""
    simulation = Simulation(**{field.name: getattr(args, field.name) for field in fields(Simulation)})
    simulate_to_file(simulation, args.out)
    print(
        f"{args.out}: {simulation.n_cells} cells, {simulation.n_genes} genes, {len(simulation.types)} types"
    )
    return 0
