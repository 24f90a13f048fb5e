"""``python -m board compare``: what changed between two leaderboards, and was it more than the noise?"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from board.export import read_export, results_of
from board.scores import IDENTITY
from board.text import count, number
from contract.cli import table

KEY = ("task", "dataset", "access", "model")
NOISE = 1e-6
COLUMNS = [*KEY, "old", "new", "change"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board compare``."""
    parser.add_argument("old", type=Path, help="folder of a leaderboard")
    parser.add_argument("new", type=Path, help="folder of another one")


def main(args: argparse.Namespace) -> int:
    """Print what changed; 1 if a gain left its former interval, or earned another word, else 0."""
    old, new = read_export(args.old), read_export(args.new)
    for line in versions(old, new):
        print(line)
    found = changes(old, new)
    if found:
        print(table(found, columns=COLUMNS))
    print(drift(results_of(old, args.old)[0].rows, results_of(new, args.new)[0].rows))
    beyond = [change for change in found if change["beyond"]]
    print(
        f"{count(len(beyond), 'gain')} changed beyond the old interval or in word; intervals are over units, "
        "so on the same units a change within them may still be real."
    )
    return 1 if beyond else 0


def versions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What makes two boards hard to compare: metrics or data sets that are not the same any more."""
    told = []
    for name in sorted(set(old["metrics"]) & set(new["metrics"])):
        one, other = old["metrics"][name]["version"], new["metrics"][name]["version"]
        if one != other:
            told.append(f"{name}: version {one} became {other}; its values cannot be compared")
    reports = [{entry["id"]: entry["report"] for entry in board["datasets"]} for board in (old, new)]
    for name in sorted(set(reports[0]) & set(reports[1])):
        one, other = reports[0][name], reports[1][name]
        odd = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
        if odd:
            told.append(f"{name}: the data set changed ({', '.join(odd)})")
    for field in ("reference", "primary", "level"):
        if old["study"][field] != new["study"][field]:
            told.append(f"study: {field} changed")
    return told


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Comparisons that changed, one line each; ``beyond``: out of the old interval, or in word.

    A gain without an old interval has nothing to be judged by, so any change of it is ``beyond``.
    """
    before, after = _by_key(old), _by_key(new)
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        what, beyond = _change(one, other)
        if what:
            told = {"old": _told(one), "new": _told(other), "change": what, "beyond": beyond}
            found.append(dict(zip(KEY, key, strict=True)) | told)
    return found


def _by_key(board: Mapping[str, Any]) -> dict[tuple[str, ...], Mapping[str, Any]]:
    return {tuple(found[name] for name in KEY): found for found in board["comparisons"]}


def _change(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> tuple[str, bool]:
    if one is None or other is None:
        return ("new" if one is None else "gone"), False
    parts = []
    if one["word"] != other["word"]:
        parts.append("another word")
    a, b = one["gain"], other["gain"]
    if (a is None) != (b is None):
        parts.append("a value appeared" if a is None else "its value is lost")
    elif a is not None and one["low"] is not None:
        if not one["low"] <= b <= one["high"]:
            parts.append("out of the old interval")
        elif not parts and abs(a - b) > NOISE:
            return "within the old interval", False
    elif a is not None and abs(a - b) > NOISE:
        parts.append("changed, no interval")
    return ", ".join(parts), bool(parts)


def _told(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    ends = [number(found[end], sign=True) for end in ("low", "high") if found[end] is not None]
    return " ".join(
        filter(
            None, [number(found["gain"], sign=True), f"({' to '.join(ends)})" if ends else "", found["word"]]
        )
    )


def drift(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """One line on all single values that both have, exploratory ones included."""
    both = old.merge(new, on=list(IDENTITY), suffixes=("_old", "_new"))
    off = (both["value_old"] - both["value_new"]).abs()
    torn = both["status_old"] != both["status_new"]
    moved = off > NOISE
    line = f"{len(both):,} single values are in both"
    if not (moved | torn).any():
        return f"{line}; none differs."
    line = f"{line}; {int(moved.sum()):,} differ, {int(torn.sum()):,} changed status"
    if not moved.any():
        return f"{line}."
    at = both.loc[off.idxmax()]
    where = f"{at['metric']} of {at['model']} on {at['dataset']}"
    return f"{line}; the largest difference is {off.max():.3g} ({where})."
