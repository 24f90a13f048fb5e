"""Score rows as a parquet file: fixed types, fixed order, equal bytes for equal values."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contract.files import atomic

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("study", "dataset", "model", "checkpoint")),
        *((name, pa.string()) for name in ("adaptation", "readout", "access", "geometry")),
        *((name, pa.int64()) for name in ("pretrain_seed", "fit_seed")),
        ("split", pa.string()),
        *((name, pa.int64()) for name in ("shots", "draw")),
        *((name, pa.string()) for name in ("task", "metric", "metric_version", "unit")),
        ("n", pa.int64()),
        ("value", pa.float64()),
        *((name, pa.string()) for name in ("status", "reason")),
    ]
)


def table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table of ``SCHEMA``, sorted by every column; each row must have all columns."""
    rows = list(rows)
    for row in rows:
        if row.keys() != set(SCHEMA.names):
            raise ValueError(
                f"columns of a score row: {sorted(row.keys() ^ set(SCHEMA.names))} should not differ"
            )
    unsorted = pa.Table.from_pylist(rows, schema=SCHEMA)
    return unsorted.sort_by([(name, "ascending") for name in SCHEMA.names])


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write score rows atomically."""
    with atomic(path) as temporary:
        pq.write_table(table(rows), temporary, compression="zstd")
