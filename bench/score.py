"""``python -m bench.score --cells N``: the full scIB set against scib-metrics, each in a fresh process.

Both get the same embedding, labels, batches and threads. The first embedding of a process pays for imports
and compilation, the second does not. The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

from bench.clouds import clouds

DIMENSIONS, LABELS, BATCHES = 50, 12, 5


def main() -> int:
    """Print a table and, last, one JSON object."""
    args = _arguments()
    if args.child:
        print(json.dumps(_child(args)))
        return 0
    if args.growth:
        from bench.growth import growth

        return growth(args.growth)
    ours = _run("sclitmus", args)
    peer = _run("scib-metrics", args) if args.peer else None
    print(_table(ours, peer))
    print(json.dumps(_summary(args, ours, peer)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.score", description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000, help="cells of the seeded data set")
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides")
    parser.add_argument(
        "--repeats", type=int, default=3, help="embeddings after the first; the median counts"
    )
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave scib-metrics out")
    parser.add_argument("--extended", action="store_true", help="add scGraph, OntoRWR and ROGI to ours")
    parser.add_argument(
        "--growth", type=int, nargs="+", metavar="N", help="seconds and exponent of each score"
    )
    parser.add_argument("--child", choices=["sclitmus", "scib-metrics"], help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(side: str, args: argparse.Namespace) -> dict:
    """Measure one side in a process of its own, so that its imports and its memory are its own."""
    threads = {
        name: str(args.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    options = ["--cells", str(args.cells), "--repeats", str(args.repeats), "--child", side]
    command = [sys.executable, "-m", "bench.score", *options, *(["--extended"] if args.extended else [])]
    print(f"{side}: {args.cells} cells …", file=sys.stderr, flush=True)
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _child(args: argparse.Namespace) -> dict:
    started = time.perf_counter()
    given = clouds(args.cells, dimensions=DIMENSIONS, labels=LABELS, batches=BATCHES)
    made = time.perf_counter() - started
    from bench.sides import SIDES

    score = SIDES[args.child](given, extended=args.extended)
    seconds, values = [], {}
    for _ in range(1 + args.repeats):
        begun = time.perf_counter()
        values = score()
        seconds.append(time.perf_counter() - begun)
    seconds[0] = time.perf_counter() - started - made - sum(seconds[1:])  # with imports and preparations
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    later = float(np.median(seconds[1:])) if args.repeats else seconds[0]
    return {"first_seconds": seconds[0], "seconds": later, "peak_rss_gib": peak, "values": values}


def _table(ours: dict, peer: dict | None) -> str:
    lines = [f"{'score':28s}{'scLitmus':>12s}{'scib-metrics':>14s}{'difference':>12s}"]
    for name, value in ours["values"].items():
        other = (peer or {"values": {}})["values"].get(name)
        shown = f"{other:14.5f}{value - other:12.5f}" if other is not None else ""
        lines.append(f"{name:28s}{value:12.5f}{shown}")
    for name, unit in (("seconds", "s"), ("first_seconds", "s"), ("peak_rss_gib", "GiB")):
        other = f"{peer[name]:14.2f}{peer[name] / ours[name]:11.1f}×" if peer else ""
        lines.append(f"{name + ' [' + unit + ']':28s}{ours[name]:12.2f}{other}")
    return "\n".join(lines)


def _summary(args: argparse.Namespace, ours: dict, peer: dict | None) -> dict:
    found = {
        "cells": args.cells,
        "dimensions": DIMENSIONS,
        "threads": args.threads,
        "extended": args.extended,
    }
    found |= {name: round(ours[name], 3) for name in ("seconds", "first_seconds", "peak_rss_gib")}
    if peer:
        found |= {
            f"peer_{name}": round(peer[name], 3) for name in ("seconds", "first_seconds", "peak_rss_gib")
        }
        found["ratio"] = round(peer["seconds"] / ours["seconds"], 2)
        found["first_ratio"] = round(peer["first_seconds"] / ours["first_seconds"], 2)
    return found


if __name__ == "__main__":
    sys.exit(main())
