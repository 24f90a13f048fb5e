"""The files of a leaderboard, written together: the page last, since it names the others."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from board.evidence import weigh
from board.export import NAME, export
from board.render import render
from board.results import Results
from contract.files import atomic, write_json
from metrics.table import TABLE


def publish(
    results: Results, rows: pa.Table, *, provenance: dict[str, Any], where: dict[str, Any], out: Path
) -> Path:
    """Write scores, ``leaderboard.json``, ``provenance.json`` and ``index.html``; return the page's path.

    ``provenance`` is the same on every repeat, ``where`` (date, machine) never; only the last two hold it.
    """
    evidence = weigh(results, TABLE)
    text = render(results, evidence, provenance=provenance, where=where)
    write_rows(rows, out)
    write_json(out / NAME, export(results, evidence, TABLE, provenance=provenance))
    write_json(out / "provenance.json", {**provenance, "machine": where})
    page = out / "index.html"
    with atomic(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def write_rows(rows: pa.Table, out: Path) -> None:
    """Write all score rows of a study as parquet and as CSV."""
    with atomic(out / "scores.parquet") as temporary:
        pq.write_table(rows, temporary)
    with atomic(out / "scores.csv") as temporary:
        rows.to_pandas().to_csv(temporary, index=False, lineterminator="\n")
