"""What ``embed`` and ``pretrain`` have in common: run the child, then write what became of it."""

import argparse
import dataclasses
import datetime
import importlib.metadata
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.errors import UserError
from contract.files import read_json, sha256, write_json
from contract.outcome import Outcome
from models import child
from models.catalogue import Contestant
from models.supervise import Ended, supervise

OUT_OF_MEMORY = 137
GIVEN_UP = "no attempt came back, as when a cluster ends a whole job for want of memory or time; see its log"
PACKAGES = ("anndata", "harmonypy", "numpy", "scanpy", "scikit-learn", "scipy", "scvi-tools", "torch")


@dataclass(frozen=True, slots=True)
class Done:
    """Outcome of a step, what the child reported (empty if it did not), and its peak memory."""

    outcome: Outcome
    report: dict[str, Any]
    peak_rss_bytes: int | None
    killed: bool = False


def add_attempts(parser: argparse.ArgumentParser) -> None:
    """Declare which attempt this is, for those who try again when a job was killed."""
    parser.add_argument("--last-attempt", action="store_true", help="a kill for memory is a result, too")
    parser.add_argument("--given-up", action="store_true", help="run nothing, and let that be the result")


def forget(out: Path, names: Sequence[str]) -> None:
    """Remove what an earlier run left, so that it is never taken for this one's."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for left in out.glob(".step-*"):
        shutil.rmtree(left)


def run_child(
    stage: str,
    contestant: Contestant,
    request: Mapping[str, Any],
    *,
    out: Path,
    timeout: float | None,
    given_up: bool = False,
    module: str = child.__name__,
) -> Done:
    """Run one stage of a contestant; what it made is moved to ``out`` only if all went well."""
    if given_up:
        return Done(Outcome(status="failed", stage=stage, reason=GIVEN_UP), {}, None)
    folder = Path(tempfile.mkdtemp(prefix=".step-", dir=out))
    try:
        about = {"stage": stage, "folder": str(folder), "contestant": dataclasses.asdict(contestant)}
        write_json(folder / "request.json", about | dict(request))
        ended = supervise(module, folder / "request.json", timeout=timeout)
        path = folder / "report.json"
        report = read_json(path) if path.is_file() else {}
        outcome = _outcome(stage, ended, report, timeout=timeout)
        if outcome.status == "ok":
            for made in report["made"]:
                os.replace(folder / made, out / made)
        return Done(outcome, report, ended.peak_rss_bytes, ended.killed)
    finally:
        shutil.rmtree(folder)


def _outcome(stage: str, ended: Ended, report: Mapping[str, Any], *, timeout: float | None) -> Outcome:
    if ended.timed_out:
        reason = f"not done after {timeout:g} seconds"
    elif ended.killed:
        reason = "killed from outside, probably for lack of memory"
    elif report and ended.status == 0:
        tail = ended.log_tail if report["status"] == "failed" else ""
        return Outcome(status=report["status"], stage=stage, reason=report["reason"], log_tail=tail)
    else:
        reason = f"ended without an answer: {_how(ended.status)}"
    return Outcome(status="failed", stage=stage, reason=reason, log_tail=ended.log_tail)


def _how(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


def read_outcome(path: Path, *, todo: str) -> Outcome:
    """Outcome of an earlier step; a missing one is a ``UserError``."""
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo=todo)
    return Outcome.read(path)


def hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each input by name; a missing one is a ``UserError``."""
    for path in paths.values():
        if not path.is_file():
            raise UserError(str(path), found="no such file", todo="run the step that makes it first")
    return {name: sha256(path) for name, path in paths.items()}


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change an embedding."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cost(done: Done, *, pretrain: float | None) -> dict[str, Any]:
    """``cost.json``; null is *not measured*. Seconds per 10,000 cells are those of ``embed`` alone."""
    seconds = {"pretrain": pretrain, "fit": None, "embed": None} | done.report.get("seconds", {})
    n = done.report.get("n")
    per_cell = seconds["embed"] / n if seconds["embed"] is not None and n else None
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": seconds,
        "peak_rss_bytes": done.peak_rss_bytes,
        "peak_gpu_bytes": done.report.get("peak_gpu_bytes"),
        "device": done.report.get("device"),
        "seconds_per_10k_cells": None if per_cell is None else per_cell * 10_000,
    }


def exit_status(done: Done, *, last_attempt: bool) -> int:
    """0, whatever became of the contestant; only a kill for memory asks for another attempt."""
    return OUT_OF_MEMORY if done.killed and not last_attempt else 0


def say(outcome: Outcome) -> None:
    """One line for whoever ran the step by hand."""
    if outcome.status != "ok":
        print(f"{outcome.status} at {outcome.stage}: {outcome.reason}", file=sys.stderr)
