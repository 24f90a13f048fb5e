"""scGraph-OntoRWR: are types laid out as a random walk on the Cell Ontology sees them?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from metrics.agreement import against_shuffled, agreement, correlations, mean_known
from metrics.centroids import MIN_CELLS, centroid_distances, trimmed_centroids, trimmed_mean
from metrics.checks import Floats, Ints, Undefined, codes, mean_of_defined, spread_out

RANK = 256
TOLERANCE = 1e-4
MAX_STEPS = 49
MIN_COSINE = 0.01
MAX_PER_TYPE = 1000  # cells of a draw: the centroid of so many is as good as that of more
DESCRIPTIVE_BELOW = 8

Edge = tuple[str, str]


@dataclass(frozen=True)
class OntoReference:
    """Coordinates ``vectors`` (M, R) of the ontology's terms ``nodes`` (M,).

    ``edge_weight`` says what the walk went by; ``n_raised`` edges had a cosine below 0.01 (see ``cosines``).
    """

    nodes: tuple[str, ...]
    vectors: Floats
    edge_weight: Literal["none", "text"] = "none"
    n_raised: int = 0

    def distances(self, terms: Iterable[str]) -> Floats:
        """Euclidean distances between terms; ValueError on terms that are not in the ontology."""
        row = {term: i for i, term in enumerate(self.nodes)}
        wanted = list(terms)
        unknown = [term for term in wanted if term not in row]
        if unknown:
            raise ValueError(
                f"{len(unknown)} ids are not in the ontology ({unknown[0]!r}); map obsolete ids first"
            )
        return centroid_distances(self.vectors[[row[term] for term in wanted]])


def ontorwr_reference(
    edges: Iterable[Edge],
    *,
    text: Mapping[str, ArrayLike] | None = None,
    restart: float = 0.7,
    rank: int = RANK,
) -> OntoReference:
    """Walk with restart from every term over (child, parent) edges, then the diffusion coordinates.

    Edges weigh 1, or as their ``cosines`` with a vector of ``text`` for each term. Exact truncated SVD with
    a fixed start: about 6 s and 0.4 GB for the Cell Ontology's 3,300 terms; do it once.
    Source: scFM-Bench@46acb1d (10.1186/s13059-025-03781-6); its own text vectors may not be passed on.
    """
    pairs = sorted({(child, parent) for child, parent in edges if child != parent})
    if not pairs:
        raise ValueError("the ontology has no edges")
    cosine = np.ones(len(pairs)) if text is None else cosines(pairs, text)
    nodes, adjacency = _adjacency(pairs, np.maximum(cosine, MIN_COSINE))
    return OntoReference(
        nodes=nodes,
        vectors=_diffusion_components(random_walk(adjacency, restart=restart), rank),
        edge_weight="none" if text is None else "text",
        n_raised=int((cosine < MIN_COSINE).sum()),
    )


def cosines(edges: Sequence[Edge], text: Mapping[str, ArrayLike]) -> Floats:
    """Cosine (E,) of the two terms' vectors for each edge; ValueError on a term without a usable vector.

    A walk cannot take a step of negative weight, and without the edge the ontology would be another one:
    ``ontorwr_reference`` raises what is below 0.01 to 0.01, and counts it.
    """
    terms = sorted({term for edge in edges for term in edge})
    missing = [term for term in terms if term not in text]
    if missing:
        raise ValueError(f"{len(missing)} of {len(terms)} terms have no text vector ({missing[0]!r})")
    vectors = np.array([np.asarray(text[term], dtype=np.float64) for term in terms])
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        broken = terms[int((~(np.isfinite(lengths) & (lengths > 0))).argmax())]
        raise ValueError(f"the text vector of {broken!r} has no direction")
    unit = dict(zip(terms, vectors / lengths[:, None], strict=True))
    return np.array([unit[child] @ unit[parent] for child, parent in edges])


def _adjacency(pairs: Sequence[Edge], weights: Floats) -> tuple[tuple[str, ...], sparse.csr_matrix]:
    """Terms (M,) in order, and the symmetric (M, M) matrix of the weights (E,) of their edges."""
    nodes = tuple(sorted({term for pair in pairs for term in pair}))
    row = {term: i for i, term in enumerate(nodes)}
    ends = np.array([[row[child], row[parent]] for child, parent in pairs])
    one_way = sparse.csr_matrix((weights, ends.T), shape=(len(nodes),) * 2)
    return nodes, one_way.maximum(one_way.T)


def random_walk(adjacency: ArrayLike | sparse.spmatrix, *, restart: float) -> Floats:
    """Visiting shares (M, M), rows summing to 1, of walks that return home with probability ``restart``.

    Iterated until the change is below 1e-4 (Frobenius), 49 steps at most. A node without
    neighbours stays at home.
    """
    if not 0 < restart <= 1:
        raise ValueError(f"restart must lie in (0, 1], found {restart}")
    matrix = sparse.csr_matrix(adjacency, dtype=np.float64)
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    matrix = matrix + sparse.diags((degree == 0).astype(float))
    back = (sparse.diags(1.0 / np.where(degree == 0, 1.0, degree)) @ matrix).T.tocsr()
    home = restart * np.eye(matrix.shape[0])
    shares = np.eye(matrix.shape[0])
    for _ in range(MAX_STEPS):
        before, shares = shares, home + (1 - restart) * (back @ shares.T).T
        if np.linalg.norm(shares - before) < TOLERANCE:
            break
    return shares


def _diffusion_components(walk: Floats, rank: int) -> Floats:
    n = len(walk)
    logs = np.log(walk + 1.0 / n**2) - np.log(1.0 / n**2)
    if rank >= n // 4:
        left, values, _ = np.linalg.svd(logs)
        return left[:, :rank] * np.sqrt(values[:rank])
    start = np.random.default_rng(0).uniform(0.5, 1.5, n)
    left, values, _ = svds(logs, k=rank, v0=start, solver="arpack")
    return left[:, ::-1] * np.sqrt(values[::-1])


@dataclass(frozen=True)
class OntoRwr:
    """``score`` is the headline: -1 to 1, 1 best, 0 by chance.

    It compares centroids of ``n_per_type`` cells of each type, without the trivial diagonal, averaged over
    draws. ``without_diagonal`` takes all cells: chance is then above 0 where rare types lie far out.
    ``published`` also counts the diagonal. ``z_score`` and one-sided ``p_value`` of the score against
    shuffled types, NaN where shuffling changes nothing. ``descriptive``: fewer than 8 types, too few for a
    verdict. ``per_type`` and ``per_type_published`` are parts. ``n_small`` types had fewer than 10 cells and
    were left out, which leaves ``n_used`` cells.
    """

    score: float
    without_diagonal: float
    published: float
    z_score: float
    p_value: float
    n_types: int
    n_small: int
    n_used: int
    n_per_type: int
    descriptive: bool
    per_type: dict[str, float]
    per_type_published: dict[str, float]


def scgraph_ontorwr(
    Z: ArrayLike,
    ontology_ids: ArrayLike,
    reference: OntoReference,
    *,
    trim: float = 0.2,
    n_draws: int = 20,
    n_permutations: int = 200,
    seed: int = 0,
) -> OntoRwr:
    """Correlation, type by type, of centroid distances in Z (N, D) with ontology distances.

    A draw takes as many cells of each type as the rarest has, at most 1,000: with all cells, noise scored
    0.24 on eight blood types since centroids of few cells scatter further. Types under 10 cells are
    left out; Undefined with fewer than 4 others or all centroids on one point; ValueError on unknown ids.
    NaN where all types are equally far. O(N D + draws · (cells drawn · D + permutations · T²)).
    """
    points = spread_out(Z)
    names, own = codes(ontology_ids, what="ontology id", n=len(points))
    counts = np.bincount(own)
    types = np.flatnonzero(counts >= MIN_CELLS)
    if len(types) < 4:
        raise Undefined(f"{len(types)} types with {MIN_CELLS} cells; at least 4 are needed")
    terms = [str(names[code]) for code in types]
    wanted = reference.distances(terms)
    found = centroid_distances(trimmed_centroids(points, own, types, trim=trim))
    if found.max() <= 1e-12 * np.abs(points).max():
        raise Undefined("all centroids lie on one point")
    every, bare = np.ones_like(wanted), 1.0 - np.eye(len(types))
    drawn = _equal_numbers(points, own, types, trim=trim, n_draws=n_draws, seed=seed)
    z_score, p_value = against_shuffled(drawn, wanted, bare, n_permutations=n_permutations, seed=seed)
    per_type, published = mean_known(correlations(drawn, wanted, bare)), correlations(found, wanted, every)
    return OntoRwr(
        score=agreement(drawn, wanted, bare),
        without_diagonal=agreement(found[None], wanted, bare),
        published=mean_of_defined(published, otherwise="all types are equally far"),
        z_score=z_score,
        p_value=p_value,
        n_types=len(types),
        n_small=int((counts < MIN_CELLS).sum()),
        n_used=int(counts[types].sum()),
        n_per_type=_per_type(counts[types]),
        descriptive=len(types) < DESCRIPTIVE_BELOW,
        per_type=dict(zip(terms, per_type.tolist(), strict=True)),
        per_type_published=dict(zip(terms, published.tolist(), strict=True)),
    )


def _per_type(counts: Ints) -> int:
    return int(min(counts.min(), MAX_PER_TYPE))


def _equal_numbers(
    points: Floats, own: Ints, types: NDArray, *, trim: float, n_draws: int, seed: int
) -> Floats:
    """Centroid distances (K, T, T) over equally many cells of each type, drawn K times without return.

    Cells are first sorted along a random line, so that the draw does not depend on their order.
    """
    random = np.random.default_rng(seed)
    along = points @ random.normal(size=points.shape[1])
    pools = [
        rows[np.argsort(along[rows], kind="stable")] for rows in (np.flatnonzero(own == t) for t in types)
    ]
    sizes = np.array([len(pool) for pool in pools])
    size = _per_type(sizes)
    draws = 1 if (sizes == size).all() else n_draws
    chosen = ([random.choice(pool, size, replace=False) for pool in pools] for _ in range(draws))
    return np.stack([centroid_distances(trimmed_mean(points[np.array(rows)], trim)) for rows in chosen])
