"""``python -m bench.pretrain``: tokens a second and MFU of every recipe, and whether the data keep up.

For each recipe a few whole steps on the same cells: masking, forth, back, optimiser. The data path alone
(reading, tokenising, padding) is timed apart and must deliver more than a step consumes. ``--shape`` adds a
network of its own form. The last line is one JSON object. How seconds and memory grow: ``bench.mixers``.
"""

import argparse
import dataclasses
import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from anndata import AnnData

from bench.blood import read_cells
from bench.mixers import clock
from models.reading import counts_of
from models.telling import tell
from models.transformer.batch import Batch
from models.transformer.counts import Marked
from models.transformer.data import Corpus, shuffled
from models.transformer.engine import repeatable
from models.transformer.flops import peak_flops
from models.transformer.order import lexsort
from models.transformer.ranks import Ranks
from models.transformer.recipe import Design, load_recipe, recipe_names
from models.transformer.step import Stepper
from models.untrained import read_corpus, untrained

SORTS = 3


def main() -> int:
    """Print a row a recipe and, last, one JSON object."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cells = read_cells(args.data, cells=args.cells)
    peak = peak_flops(device)
    designs = {name: load_recipe(name).design(args.size) for name in args.recipes or recipe_names()}
    asked = sorted(name for name, design in designs.items() if design.told[0])
    designs = {name: design for name, design in designs.items() if name not in asked}
    if args.shape:
        designs[_name(args.shape)] = shaped(args.shape)
    print(HEAD)
    rows = {}
    for name, design in designs.items():
        rows[name] = measure(
            _fitting(design, args.batch_cells), cells, steps=args.steps, device=device, compile=args.compile
        )
        rows[name]["mfu"] = round(rows[name]["flops_per_second"] / peak, 4)
        print(_row(name, rows[name]), flush=True)
    about = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": args.threads,
        "size": args.size,
        "peak_flops": round(peak),
        "compile": args.compile,
        "left_out": asked,  # they learn from types, which these cells have not
    }
    sorting = sorting_ratio(cells, device=device)
    print(f"sorting a pool of {cells.n_obs} cells: numpy takes {sorting:.2f} times as long as torch")
    print(json.dumps(about | {"sorting_ratio": round(sorting, 2), "recipes": rows}))
    return 0


def sorting_ratio(cells: AnnData, *, device: torch.device) -> float:
    """Seconds of numpy over those of torch on ``device``, to sort all counts within their cells."""
    counts = counts_of(cells)
    keys = (-counts.data.astype(np.float64), counts.rows)
    seconds = {}
    for name, action in (("numpy", np.lexsort), ("torch", lambda keys: lexsort(keys, device=device))):
        times = []
        for _ in range(1 + SORTS):
            begun = clock(device)
            action(keys)
            times.append(clock(device) - begun)
        seconds[name] = min(times[1:])
    return seconds["numpy"] / seconds["torch"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="H5AD", help="raw counts in X; default: made-up blood")
    parser.add_argument("--cells", type=int, default=512, help="cells drawn of them")
    parser.add_argument("--recipes", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--size", default="tiny", help="size of the recipes")
    parser.add_argument("--shape", type=int, nargs=3, metavar=("L", "D", "S"), help="such as 12 512 1024")
    parser.add_argument("--batch-cells", type=int, help="cells a batch, instead of the recipe's")
    parser.add_argument(
        "--steps", type=int, default=5, help="timed steps, after one that is not (two, if compiled)"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="let torch compile the blocks")
    return parser.parse_args()


def shaped(shape: list[int]) -> Design:
    """Geneformer's parts in another form: layers, width, length; heads of 64, feed-forward of 4 D."""
    layers, width, length = shape
    design = load_recipe("geneformer").design("base")
    size = dataclasses.replace(
        design.size, layers=layers, width=width, heads=max(width // 64, 1), hidden=4 * width, length=length
    )
    return dataclasses.replace(design, size=size)


def _name(shape: list[int]) -> str:
    return "L{} d{} S{}".format(*shape)


def _fitting(design: Design, batch_cells: int | None) -> Design:
    if batch_cells is None:
        return design
    training = dataclasses.replace(design.size.training, batch_cells=batch_cells)
    return dataclasses.replace(design, size=dataclasses.replace(design.size, training=training))


def measure(design: Design, cells: AnnData, *, steps: int, device: torch.device, compile: bool) -> dict:
    """Speeds of one design: of whole steps, and of the data path alone over the same batches."""
    design, told = tell(cells, design, labels=None, encoder=None)
    corpus, _, _ = read_corpus(cells, design=design, table=None)
    network = untrained(design, corpus, seed=0, table=None, told=told).to(device).train()
    if told is not None:
        corpus = dataclasses.replace(corpus, counts=Marked(corpus.counts, told.marks))
    stepper = Stepper(network, design.size.training, ranks=Ranks(), compile=compile, count_after=0.0)
    untimed = 1 + compile  # the first step counts FLOPs; what is compiled is compiled in the next
    data_seconds, batches = _batches(corpus.on(device), design, steps=untimed + steps, device=device)
    with repeatable(device):
        for number, batch in enumerate(batches[:untimed]):
            stepper(batch, rate=1e-4, seed=[0, number])
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        begun = clock(device)
        for number, batch in enumerate(batches[untimed:], start=untimed):
            stepper(batch, rate=1e-4, seed=[0, number])
        seconds = clock(device) - begun
    real, padded = _tokens(batches[untimed:])
    at_once = max(batch.ids.shape[1] for batch in batches) * design.size.training.batch_cells
    all_real, _ = _tokens(batches)
    return {
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "tokens_per_second": round(real / seconds, 1),
        "cells_per_second": round(sum(len(batch.ids) for batch in batches[untimed:]) / seconds, 2),
        "flops_per_second": stepper.flops_per_token * real / seconds,
        "padding": round(1 - real / padded, 4),
        "data_tokens_per_second": round(all_real / data_seconds, 1),
        "data_ratio": round(all_real / data_seconds / (real / seconds), 2),
        "tokens_at_once": at_once,
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
    }


def _batches(
    corpus: Corpus, design: Design, *, steps: int, device: torch.device
) -> tuple[float, list[Batch]]:
    """Whole batches, one a step, and the seconds that reading and tokenising took."""
    begun, found, epoch = clock(device), [], 0
    wanted = min(design.size.training.batch_cells, len(corpus))
    while len(found) < steps:
        made = shuffled(corpus, batch_cells=wanted, seed=0, epoch=epoch)
        found += [batch for batch in islice(made, steps - len(found)) if len(batch.ids) == wanted]
        epoch += 1
    return clock(device) - begun, found


def _tokens(batches: list[Batch]) -> tuple[int, int]:
    """Tokens, and places for tokens."""
    return int(sum(batch.real.sum() for batch in batches)), sum(batch.ids.numel() for batch in batches)


HEAD = f"{'recipe':26s}{'weights':>9s}{'tokens/s':>11s}{'cells/s':>9s}{'MFU':>7s}{'padding':>9s}{'data':>8s}"


def _row(name: str, row: dict) -> str:
    return (
        f"{name:26s}{row['parameters'] / 1e6:8.1f}M{row['tokens_per_second']:11,.0f}"
        f"{row['cells_per_second']:9.1f}{row['mfu']:7.1%}{row['padding']:9.1%}{row['data_ratio']:7.1f}×"
    )


if __name__ == "__main__":
    sys.exit(main())
