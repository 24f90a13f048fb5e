"""Forget failed outcomes, so that the next run tries them again."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from workflow.lock import hold

PLACES = ("data/*/source.json", "data/*/outcome.json", "corpora/*/outcome.json")
DEEP_PLACES = ("checkpoints", "embeddings", "predictions")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--results``."""
    parser.add_argument("--results", type=Path, default=Path("results"))


def main(args: argparse.Namespace) -> int:
    """Delete each file that says ``failed``; say which."""
    hold(args.results / ".lock")
    failed = list(failures(args.results))
    for path in failed:
        path.unlink()
        print(f"forgotten: {path}")
    print(f"{len(failed)} failed outcome(s) forgotten")
    return 0


def failures(results: Path) -> Iterator[Path]:
    """Files below ``results`` that state a failed step."""
    flat = (path for pattern in PLACES for path in results.glob(pattern))
    deep = (path for place in DEEP_PLACES for path in (results / place).rglob("outcome.json"))
    for path in sorted([*flat, *deep]):
        if json.loads(path.read_text(encoding="utf-8"))["status"] == "failed":
            yield path
