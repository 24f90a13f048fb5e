"""``python -m board merge``: one leaderboard of what different machines found for one study."""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from board.export import NAME, read_export, results_of
from board.provenance import code_and_versions, machine, shown
from board.publish import publish
from board.results import DataSet, Results, Run, read_record
from board.scores import IDENTITY
from contract.errors import UserError
from contract.files import sha256
from tasks.rows import SCHEMA
from tasks.study import Protocol

SAME = ("tasks", "reference", "baselines", "primary", "family", "level", "seeds")
RUN = ["dataset", "model", "access", "pretrain_seed", "fit_seed"]
NOISE = 1e-6
"""Values of one run on two machines may differ by as much and are still the same: floating point."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One leaderboard that is joined: where it lies, what it holds, how it was made."""

    folder: Path
    results: Results
    rows: pa.Table
    provenance: Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board merge``."""
    parser.add_argument("folders", type=Path, nargs="+", help="folders of leaderboards of one study")
    parser.add_argument("--out", type=Path, required=True, help="folder of the joined leaderboard")
    parser.add_argument(
        "--first-wins",
        action="store_true",
        help="where two folders measured the same run and differ, keep the first one's values",
    )


def main(args: argparse.Namespace) -> int:
    """Write the joined leaderboard and print where it is, and what was measured twice."""
    if len(args.folders) < 2:
        raise UserError("board merge", found="one folder", expected="two at least")
    parts = [read_part(folder) for folder in args.folders]
    results, rows, twice = merge(parts, first_wins=args.first_wins)
    facts = {
        "study": dict(parts[0].provenance["study"]),
        "inputs": {
            shown(f / name): sha256(f / name) for f in args.folders for name in (NAME, "scores.parquet")
        },
        **code_and_versions(),
        "merged": [dict(part.provenance) for part in parts],
        "measured_twice": twice,
    }
    page = publish(results, rows, provenance=facts, where=machine(), out=args.out)
    if twice["values"]:
        print(
            f"{twice['values']} values were measured twice; the largest difference is {twice['largest']:.3g}"
        )
    print(page)
    return 0


def read_part(folder: Path) -> Part:
    """One leaderboard from its folder."""
    board = read_export(folder)
    results, rows = results_of(board, folder)
    made = read_record(folder / "provenance.json", "provenance")
    return Part(folder=folder, results=results, rows=rows, provenance=made)


def merge(parts: Sequence[Part], *, first_wins: bool = False) -> tuple[Results, pa.Table, dict[str, Any]]:
    """Join the leaderboards of one study; also count what was measured twice, and the largest difference.

    The family of comparisons is that of the whole, so intervals grow with what is joined.

    Raises
    ------
    UserError
        If the studies were declared differently, a metric or data set has two versions, or one run has
        two outcomes or (unless ``first_wins``) values that differ.
    """
    first = parts[0]
    for part in parts[1:]:
        _check_declared(first, part)
    _check_versions(parts)
    datasets = _datasets(parts)
    runs = _runs(parts)
    rows, twice = _rows(parts, first_wins=first_wins)
    study = replace(
        first.results.study,
        datasets=tuple(datasets),
        models=tuple(_union(part.results.study.models for part in parts)),
        protocols=_protocols(parts),
    )
    results = Results(study=study, rows=rows, runs=tuple(runs), datasets=tuple(datasets.values()))
    table = pa.Table.from_pandas(rows, schema=SCHEMA, preserve_index=False).replace_schema_metadata(None)
    return results, table, twice


def _union(lists: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _check_declared(first: Part, part: Part) -> None:
    """What a study declares before it runs must not differ; its data sets and contestants may."""
    one, other = first.results.study, part.results.study
    for field in ("id", *SAME):
        _check_same(field, getattr(one, field), getattr(other, field), folders=(first.folder, part.folder))


def _check_same(what: str, one: object, other: object, *, folders: tuple[Path, Path]) -> None:
    if one != other:
        raise UserError(
            f"{folders[1]}: study",
            found=f"{what} {other!r}",
            expected=f"{one!r}, as in {folders[0]}",
            todo="join leaderboards of one study only",
        )


def _protocols(parts: Sequence[Part]) -> dict[str, Protocol]:
    """How labels are learned from, by data set: each part knows that of its own."""
    found: dict[str, tuple[Protocol, Path]] = {}
    for part in parts:
        for name, own in part.results.study.protocols.items():
            known, folder = found.setdefault(name, (own, part.folder))
            _check_same(f"protocol of {name}", known, own, folders=(folder, part.folder))
    return {name: own for name, (own, _) in found.items()}


def _check_versions(parts: Sequence[Part]) -> None:
    """One version of each metric, and of the cells and the split of each data set."""
    seen: dict[str, tuple[str, Path]] = {}
    for part in parts:
        for what, version in _versions(part):
            known, folder = seen.setdefault(what, (version, part.folder))
            if known != version:
                raise UserError(
                    str(part.folder),
                    found=f"{what} {version[:12]}",
                    expected=f"{known[:12]}, as in {folder}",
                    todo="make one of them again with the code, data and constraints.txt of the other",
                )


def _versions(part: Part) -> Iterator[tuple[str, str]]:
    pairs = part.results.rows[["metric", "metric_version"]].drop_duplicates()
    for metric, version in pairs.itertuples(index=False):
        yield f"{metric} of version", version
    for run in part.results.runs:
        for name in sorted(set(run.made.get("inputs") or ()) & {"cells.h5ad", "split.parquet"}):
            yield f"{run.dataset}: {name} of SHA-256", run.made["inputs"][name]


def _datasets(parts: Sequence[Part]) -> dict[str, DataSet]:
    """Data sets by name; one that two folders have must have been prepared to the same cells."""
    found: dict[str, tuple[DataSet, Path]] = {}
    for part in parts:
        for entry in part.results.datasets:
            known, folder = found.setdefault(entry.id, (entry, part.folder))
            odd = [
                key
                for key in sorted({*known.report, *entry.report})
                if known.report.get(key) != entry.report.get(key)
            ]
            if odd or known.outcome["status"] != entry.outcome["status"]:
                what = f"another {odd[0]!r}" if odd else f"status {entry.outcome['status']}"
                raise UserError(
                    f"{part.folder}: {entry.id}",
                    found=f"{what} than in {folder}",
                    expected="the same version of the data set",
                    todo="prepare it again from the same file with the same code",
                )
    return {name: entry for name, (entry, _) in found.items()}


def _runs(parts: Sequence[Part]) -> list[Run]:
    """Runs, each once: the first folder's, where two have it."""
    found: dict[tuple, tuple[Run, Path]] = {}
    for part in parts:
        for run in part.results.runs:
            key = (run.dataset, run.model, run.fit, run.seed)
            known, folder = found.setdefault(key, (run, part.folder))
            for what, one, other in (
                ("options", known.options, run.options),
                ("outcome", known.outcome["status"], run.outcome["status"]),
            ):
                if one != other:
                    raise UserError(
                        f"{part.folder}: {run.model} on {run.dataset}, fit {run.fit}, seed {run.seed}",
                        found=f"other {what} than in {folder}",
                        expected="one run, or two of the same",
                        todo="leave it out of one of the two studies",
                    )
    return [run for run, _ in found.values()]


def _rows(parts: Sequence[Part], *, first_wins: bool) -> tuple[pd.DataFrame, dict[str, Any]]:
    """All rows, each once, and how far the doubled ones differ."""
    tables = [part.rows.to_pandas().assign(part=number) for number, part in enumerate(parts)]
    rows = pd.concat(tables, ignore_index=True)
    doubled = rows[rows.duplicated(IDENTITY, keep=False)]
    same = doubled.groupby(IDENTITY, dropna=False, sort=False).ngroup()
    values = doubled.groupby(same)["value"]
    spread = (values.max() - values.min()).fillna(0.0)
    torn = doubled.groupby(same)["status"].nunique() > 1
    worst = float(spread.max()) if len(spread) else 0.0
    if (torn.any() or worst > NOISE) and not first_wins:
        place = spread.where(~torn, float("inf")).idxmax()
        at = doubled[same == place].iloc[0]
        raise UserError(
            f"{at['model']} on {at['dataset']}, {at['metric']}, unit {at['unit']}",
            found="two statuses" if torn[place] else f"values {spread[place]:.3g} apart",
            expected=f"one value, or two within {NOISE:g}",
            todo="give --first-wins to keep the first folder's, or leave the run out of one study",
        )
    # Whole runs are taken from one folder, so that its units stay paired with each other.
    owner = rows.groupby(RUN, dropna=False)["part"].transform("min")
    kept = rows[rows["part"] == owner].drop(columns="part")
    kept = kept.sort_values(list(SCHEMA.names), ignore_index=True)
    return kept, {"values": len(spread), "largest": worst}
