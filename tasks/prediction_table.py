"""``predictions.parquet`` read with suspicion: the table that was written, each cell once a question."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from contract.errors import printable
from contract.files import read_table, sha256

KEY = ("fold", "question", "cell")
CLASS = "p:"
WRITTEN = "predictions_sha256"


def nothing() -> pd.DataFrame:
    """The table of a run that answered nothing."""
    return pd.DataFrame({name: [] for name in (*KEY, "predicted", "unseen_score")})


def read_answers(path: Path, facts: Mapping[str, Any], *, folds: Path | None) -> tuple[pd.DataFrame, str]:
    """The table whose ``run.json`` holds ``facts``, and nothing; or no row, and what is wrong with it.

    A row is (fold, question, cell), what was predicted, how new the cell looked, and p:<label> from 0 to
    1. With ``folds`` their test cells must be there, in order, and their training cells be those it learned.
    """
    if facts.get(WRITTEN) not in (None, sha256(path)):
        return nothing(), f"{path.name} is not the table that was written here"
    try:
        table = pq.read_table(path, use_threads=False)
        table.validate(full=True)
        problem = _columns_problem(table) or _values_problem(table) or _rows_problem(table, facts, folds)
        return (nothing(), f"{path.name} {problem}") if problem else (table.to_pandas(), "")
    except (pa.ArrowException, OSError, UnicodeError) as error:  # the last: a column's name
        return nothing(), f"{path.name} is no parquet file: {printable(str(error))}"


def _columns_problem(table: pa.Table) -> str:
    """What is wrong with the names and types of the columns, if anything."""
    texts, numbers = (pa.types.is_string, pa.types.is_large_string), (pa.types.is_floating,)
    wanted = dict.fromkeys((*KEY, "predicted"), texts) | {"unseen_score": numbers}
    wanted |= {name: numbers for name in table.column_names if name.startswith(CLASS)}
    for name, kinds in wanted.items():
        if table.column_names.count(name) != 1:
            return f"has {table.column_names.count(name)} columns {name!r}, not one"
        if not any(is_kind(table.schema.field(name).type) for is_kind in kinds):
            return f"holds {table.schema.field(name).type} in {name!r}"
        if not name.startswith(CLASS) and table[name].null_count:
            return f"has rows without {name!r}"
    return "" if len(wanted) > len(KEY) + 2 or not table.num_rows else "has no probability of any label"


def _values_problem(table: pa.Table) -> str:
    """What is wrong with scores and probabilities, if anything; the likeliest label is what was predicted."""
    if not table.num_rows:
        return ""
    if not np.isfinite(table["unseen_score"].to_numpy()).all():
        return "holds scores that are not finite"
    names = [name for name in table.column_names if name.startswith(CLASS)]
    P = np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)  # null is NaN
    P[np.isnan(P)] = -1.0
    best = P.max(axis=1)
    if (best < 0).any() or (best > 1 + 1e-3).any():
        return "has rows without a probability from 0 to 1"
    labels = pd.Index([name.removeprefix(CLASS) for name in names])
    said = labels.get_indexer(table["predicted"].to_pandas())
    if (said < 0).any() or (P[np.arange(len(P)), said] < best).any():
        return "predicts labels that are not the likeliest"
    return ""


def _rows_problem(table: pa.Table, facts: Mapping[str, Any], folds: Path | None) -> str:
    """Whether cells are missing, strange or doubled, or the folds others than those it was made from."""
    rows = table.select(list(KEY)).to_pandas()
    found = {key: own["cell"] for key, own in rows.groupby(["fold", "question"], sort=False)}
    wanted = {
        (fold.removeprefix("fold-"), name)
        for fold, questions in facts["folds"].items()
        for name, answer in questions.items()
        if answer["status"] == "ok"
    }
    if set(found) != wanted:
        return f"answers {len(found)} questions, not the {len(wanted)} of its record"
    if folds is None:
        return ""
    for fold in sorted({fold for fold, _ in wanted}):
        place = folds / f"fold-{fold}"
        if not all((place / name).is_file() for name in ("train.parquet", "test.parquet")):
            return f"answers a fold {fold!r} that is not there"
        made_from = facts.get("inputs", {}).get(f"{place.name}/train.parquet")
        if made_from not in (None, sha256(place / "train.parquet")):
            return f"was made from other training cells than those of fold {fold!r}"
        test = read_table(place / "test.parquet", columns=["cell"])["cell"].astype(str).to_numpy()
        for (of, name), cells in found.items():
            if of == fold and not np.array_equal(cells.to_numpy(dtype=str), test):
                return f"answers other cells in {name!r} than the test cells of fold {fold!r}"
    return ""
