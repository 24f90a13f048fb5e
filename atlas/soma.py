"""A slice of a TileDB-SOMA experiment as an h5ad: a local one, or the CELLxGENE Census at a pinned release.

Both are the same code with another address. Cells are read in blocks of rows and written as they come.
Needs the extra ``soma`` (tiledbsoma).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from atlas.blocks import CountsFile
from atlas.web import SourceFailed
from contract.files import atomic
from contract.progress import Progress

CENSUS = "s3://cellxgene-census-public-us-west-2/cell-census"
CENSUS_VARIABLE = "SCLITMUS_CENSUS"
CENSUS_ORGANISMS = {"human": "homo_sapiens", "mouse": "mus_musculus"}
ROWS = 4096
"""Cells in a block."""
CONFIG = {
    "vfs.s3.region": "us-west-2",
    "vfs.s3.no_sign_request": "true",
    "soma.init_buffer_bytes": 1 << 26,  # a sixteenth of the default, which is for each column
}
_GENES, _CELLS = ("feature_id", "var_id"), ("obs_id", "soma_joinid")
"""Columns that name genes and cells, the better one first."""


def census_base() -> str:
    """Where the releases of the Census lie: its public bucket, or a mirror named in the environment."""
    return (os.environ.get(CENSUS_VARIABLE) or CENSUS).rstrip("/")


def address(source: dict[str, Any], *, organism: str, data: Path | None) -> str:
    """Where the experiment lies: below the data folder, or in a release of the Census (or its mirror)."""
    if "census" in source:
        return f"{census_base()}/{source['census']}/soma/census_data/{CENSUS_ORGANISMS[organism]}"
    if data is None:
        raise SourceFailed(
            f"found no data folder, expected one that holds {source['path']}; pass --config data=DIR"
        )
    return str(data / source["path"])


def slice_to_file(source: dict[str, Any], uri: str, path: Path) -> dict[str, Any]:
    """Write the cells that pass ``obs_filter`` as h5ad, and return what was sliced from where.

    ``X`` is the named layer, ``var`` is indexed by Ensembl id where the experiment has one, ``obs`` by
    the experiment's own names of its cells. Memory of one block.

    Raises
    ------
    SourceFailed
        If tiledbsoma is missing, the experiment cannot be opened or has no such measurement
        or layer, the filter is wrong, no cell passes it, or the store's bytes are damaged.
    """
    try:
        import tiledbsoma
    except ImportError:
        raise SourceFailed("tiledbsoma is not installed; pip install 'sclitmus[soma]'") from None
    measurement, layer = source.get("measurement", "RNA"), source.get("layer", "raw")
    context = tiledbsoma.SOMATileDBContext(tiledb_config=CONFIG)
    wanted = tiledbsoma.AxisQuery(value_filter=source["obs_filter"])
    try:
        with (
            tiledbsoma.Experiment.open(uri, context=context) as experiment,
            experiment.axis_query(measurement, obs_query=wanted) as query,
        ):
            n_cells = _write(query, layer, path)
    except OSError:  # the place that is written to, such as a full disk
        raise
    except Exception as error:  # noqa: BLE001 - a damaged store ends in any kind, in C++ or at a missing part
        raise SourceFailed(f"{uri}: {measurement}/{layer}, {source['obs_filter']}: {error}") from None
    return {"uri": uri, "obs_filter": source["obs_filter"], "n_cells": n_cells}


def _write(query: Any, layer: str, path: Path) -> int:
    if not query.n_obs:
        raise ValueError("no cell passes the filter")
    obs, var = (_named(table, names) for table, names in _tables(query))
    reading = Progress("cells of the experiment", query.n_obs)
    with atomic(path) as temporary, CountsFile(temporary) as file:
        for block in reading(_blocks(query, layer), size=lambda counts: counts.shape[0]):
            file.append(block)
        file.finish(obs=obs, var=var, uns={})
    return query.n_obs


def _tables(query: Any) -> Iterator[tuple[pd.DataFrame, tuple[str, ...]]]:
    for read, names in ((query.obs, _CELLS), (query.var, _GENES)):
        yield read().concat().to_pandas(), names


def _named(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Index by the best name there is; columns as text, numbers and truth values."""
    index = next((name for name in names if name in table.columns), None)
    if index is None:
        raise ValueError(f"found none of the columns {', '.join(names)}")
    table = table.set_index(table[index].astype(str)).drop(columns=[index, "soma_joinid"], errors="ignore")
    table.index.name = None
    return table


def _blocks(query: Any, layer: str) -> Iterator[sparse.csr_matrix]:
    """Rows in the order of ``obs``: the order is checked, for a mix-up would be silent."""
    cells, genes = query.obs_joinids().to_numpy(), query.var_joinids().to_numpy()
    done = 0
    for counts, (rows, columns) in query.X(layer).blockwise(axis=0, size=ROWS).scipy():
        if not (np.array_equal(rows, cells[done : done + len(rows)]) and np.array_equal(columns, genes)):
            raise ValueError("cells or genes come in another order than their tables")
        if not counts.nnz:  # a fragment whose commit is gone is not read, without a word
            raise ValueError(f"found no value of {len(rows)} cells in a row")
        done += len(rows)
        yield sparse.csr_matrix(counts)
    if done != len(cells):
        raise ValueError(f"{done} of {len(cells)} cells came")
