"""``python -m bench.embed``: Geneformer V1's shape, ours against Hugging Face's ``BertModel``.

Same weights, same cells, same threads, one after the other in each of the repeats; the fastest repeat of
each side counts. Ours starts from raw counts, tokenising included; the peer is handed its tokens. The last
line is one JSON object. The peer needs the optional packages: ``pip install -e '.[bench]'``.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.blood import read_cells
from contract.errors import UserError
from models.transformer.infer import embed
from models.transformer.recipe import load_recipe
from models.untrained import read_corpus, untrained

TOLERANCE = {"cpu": 1e-5, "cuda": 1e-3}  # float32, bfloat16
OURS, USUAL, SORTED = "scLitmus", "BertModel, as they come", "BertModel, sorted"


def main() -> int:
    """Print a table and, last, one JSON object; 1 where the embeddings differ."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        sides = _sides(args, device=device)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    seconds, rows = {name: [] for name in sides}, {}
    for _ in range(args.repeats):
        for name, side in sides.items():
            print(f"{name} …", file=sys.stderr, flush=True)
            begun = _clock(device)
            rows[name] = side()
            seconds[name].append(_clock(device) - begun)
    found = _summary(args, seconds, rows, device=device)
    print(_table(found))
    print(json.dumps(found))
    return 0 if all(d <= TOLERANCE[device.type] for d in found["difference"].values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.embed", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="H5AD", help="raw counts in X; default: made-up blood")
    parser.add_argument("--cells", type=int, default=96, help="cells drawn of them")
    parser.add_argument("--size", default="published", help="size of the recipe geneformer")
    parser.add_argument("--batch-cells", type=int, default=32, help="cells a batch of the peer")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave BertModel out")
    return parser.parse_args()


def _sides(args: argparse.Namespace, *, device: torch.device) -> dict[str, Callable[[], np.ndarray]]:
    """What is timed, by name; weights are drawn with seed 0."""
    cells = read_cells(args.data, cells=args.cells)
    design = load_recipe("geneformer").design(args.size)
    corpus, vocabulary, _ = read_corpus(cells, design=design, table=None)
    encoder = untrained(design, corpus, seed=0, table=None, told=None).encoder.to(device).eval()
    sides = {OURS: lambda: embed(encoder, corpus, device=device)}
    if args.peer:
        from bench import bert

        model = bert.bert_of(encoder, vocabulary=len(vocabulary)).to(device)
        tokens = corpus.tokens(np.arange(len(corpus)))
        about = {"batch_cells": args.batch_cells, "device": device}
        sides[USUAL] = lambda: bert.embed(model, tokens, by_length=False, **about)
        sides[SORTED] = lambda: bert.embed(model, tokens, by_length=True, **about)
    return sides


def _clock(device: torch.device) -> float:
    """Seconds of processor time, which neighbours on a shared machine do not lengthen, or of a GPU's work."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _summary(
    args: argparse.Namespace,
    seconds: dict[str, list[float]],
    rows: dict[str, np.ndarray],
    *,
    device: torch.device,
) -> dict:
    cells = len(rows[OURS])
    best = {name: min(times) for name, times in seconds.items()}
    peers = [name for name in best if name != OURS]
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "data": args.data.name if args.data else "made up",
        "cells": cells,
        "threads": args.threads,
        "cells_per_second": {name: round(cells / s, 3) for name, s in best.items()},
        "difference": {name: float(np.abs(rows[name] - rows[OURS]).max()) for name in peers},
        "ratio": round(best[USUAL] / best[OURS], 2) if peers else None,
        "ratio_sorted": round(best[SORTED] / best[OURS], 2) if peers else None,
    }


def _table(found: dict) -> str:
    lines = [f"{'':28s}{'cells/s':>10s}{'difference':>12s}"]
    for name, speed in found["cells_per_second"].items():
        difference = found["difference"].get(name)
        lines.append(f"{name:28s}{speed:10.2f}" + ("" if difference is None else f"{difference:12.1e}"))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
