"""Score rows of a study: read, checked, and what tells one from another."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from board.text import reason_for
from contract.errors import UserError
from metrics.table import TABLE
from tasks.rows import SCHEMA
from tasks.study import Study

IDENTITY = [
    "dataset",
    "model",
    "readout",
    "access",
    "geometry",
    "pretrain_seed",
    "fit_seed",
    "split",
    "shots",
    "draw",
    "task",
    "metric",
    "unit",
]
STATUSES = ("ok", "undefined", "not_applicable", "failed")


def as_is(rows: pd.DataFrame) -> pd.DataFrame:
    """Values over all cells, by all labels, of embeddings as they are: what is shown of every metric."""
    return rows[(rows["unit"] == "set") & (rows["geometry"] == "as_is") & rows["shots"].isna()]


def read_rows(study: Study, paths: Sequence[Path]) -> pa.Table:
    """Score rows of a study's data sets as one table, sorted, so that equal input gives equal bytes."""
    tables = [_table(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        _check_rows(table.to_pandas(), study=study, where=str(path))
    _check_versions(tables, paths)
    table = _publishable(pa.concat_tables(tables))
    return table.sort_by([(name, "ascending") for name in SCHEMA.names])


def _check_versions(tables: Sequence[pa.Table], paths: Sequence[Path]) -> None:
    """Values of two versions of a metric are never on one board."""
    seen: dict[str, tuple[str, Path]] = {}
    for table, path in zip(tables, paths, strict=True):
        pairs = zip(table["metric"].to_pylist(), table["metric_version"].to_pylist(), strict=True)
        for metric, version in dict.fromkeys(pairs):
            known, first = seen.setdefault(metric, (version, path))
            if known != version:
                raise UserError(
                    str(path),
                    found=f"version {version} of {metric}",
                    expected=f"version {known}, as in {first}",
                    todo="score this data set again",
                )


def _publishable(table: pa.Table) -> pa.Table:
    """The same rows; their reasons name no folder of this machine."""
    pairs = zip(table["dataset"].to_pylist(), table["reason"].to_pylist(), strict=True)
    reasons = [text and reason_for(dataset, text) for dataset, text in pairs]
    place = SCHEMA.get_field_index("reason")
    return table.set_column(place, SCHEMA.field(place), pa.array(reasons, type=pa.string()))


def _table(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run `python -m tasks score` first")
    try:
        table = pq.read_table(path, use_threads=False).replace_schema_metadata(None)
        table.validate(full=True)
    except (OSError, pa.ArrowException, UnicodeError) as error:  # the last: a column's name
        raise UserError(str(path), found=f"no parquet ({error})", todo="score this data set again") from None
    if table.schema != SCHEMA:
        odd = sorted(
            {f"{f.name} ({f.type})" for f in table.schema} ^ {f"{f.name} ({f.type})" for f in SCHEMA}
        )
        found = f"other columns: {', '.join(odd) or 'their order'}"
        raise UserError(str(path), found=found, expected="those of score rows", todo="score it again")
    return table


def _check_rows(rows: pd.DataFrame, *, study: Study, where: str) -> None:
    known = {
        "study": {study.id},
        "dataset": set(study.datasets),
        "model": set(study.models),
        "task": set(study.tasks),
        "metric": set(TABLE),
        "status": set(STATUSES),
    }
    for column, names in known.items():
        strange = sorted(set(rows[column]) - names)
        if strange:
            raise UserError(
                where, found=f"{column} {strange[0]!r}", expected=f"one of {', '.join(sorted(names))}"
            )
    if (rows["value"].isna() == (rows["status"] == "ok")).any():
        raise UserError(where, found="a null value that is ok, or a value that is not", expected="neither")
    if ((rows["status"] != "ok") & (rows["reason"].fillna("") == "")).any():
        raise UserError(where, found="a missing value without a reason", expected="a reason for each")
    twice = rows[rows.duplicated(list(IDENTITY))]
    if len(twice):
        row = twice.iloc[0]
        found = f"two values of {row['metric']} of {row['model']} ({row['access']}, unit {row['unit']})"
        raise UserError(where, found=found, expected="one a training")
