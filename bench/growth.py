"""Seconds of each score at growing numbers of cells, and the exponent fitted to them."""

import json
import time
from collections.abc import Callable, Sequence

import numpy as np

import metrics
from bench.clouds import clouds
from metrics.suite import SCORES, Embedded

SHARED: dict[str, Callable[[Embedded], object]] = {
    "neighbours and distance sums": lambda e: e.neighbors,
    "k-means": lambda e: e.kmeans,
    "connectivities": lambda e: e.fuzzy,
    "LISI weights": lambda e: e.lisi_weights,
}


def growth(sizes: Sequence[int]) -> int:
    """Print a row a part: what several scores share first, then each score on top of it."""
    _seconds(500)  # imports
    table = [_seconds(n) for n in sizes]
    print(f"{'':30s}" + "".join(f"{n:>10d}" for n in sizes) + f"{'exponent':>10s}")
    exponents = {}
    for part in table[0]:
        seconds = np.array([row[part] for row in table])
        if seconds.max() < 1e-3:
            continue  # read off what was made before
        exponents[part] = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        print(f"{part:30s}" + "".join(f"{s:10.3f}" for s in seconds) + f"{exponents[part]:10.2f}")
    rounded = {part: round(value, 3) for part, value in exponents.items()}
    print(json.dumps({"sizes": list(sizes), "exponents": rounded, "seconds": table[-1]}))
    return 0


def _seconds(n: int) -> dict[str, float]:
    given = clouds(n, dimensions=50, labels=12, batches=5)
    embedded = Embedded(given.Z, given.labels, given.batch, given.reference)
    parts = {**SHARED, **SCORES, "rogi_labels": lambda e: metrics.rogi_labels(e.Z, e.labels)}
    found, started = {}, time.perf_counter()
    for name, part in parts.items():
        begun = time.perf_counter()
        part(embedded)
        found[name] = time.perf_counter() - begun
    return found | {"all": time.perf_counter() - started}
