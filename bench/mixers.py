"""How seconds and memory of the five mixers grow with the length of a cell and with depth.

``python -m bench.mixers``: blocks of Geneformer's shape that differ in the mixer alone, one pass forth and
back over one cell without padding. Memory is what is kept for the way back. The last line is one JSON object.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.transformer.block import blocks_of
from models.transformer.recipe import load_recipe
from models.transformer.sight import see

MIXERS = ("softmax", "relu_kernel", "performer", "retention", "mamba2")
LINEAR = ("performer", "retention", "mamba2")
REPEATS = 3


def main() -> int:
    """Print a table for each of the two, and last one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.mixers", description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    by_length = [(length, 1) for length in args.lengths]
    by_depth = [(min(args.lengths), depth) for depth in args.depths]
    found = {
        "length": growth(by_length, over=args.lengths, device=device),
        "depth": growth(by_depth, over=args.depths, device=device),
    }
    for what, mixers in found.items():
        print(table(what, mixers, over=args.lengths if what == "length" else args.depths))
    exponents = {
        what: {name: {k: row[f"{k}_exponent"] for k in ("seconds", "bytes")} for name, row in mixers.items()}
        for what, mixers in found.items()
    }
    print(json.dumps({"device": device.type, "linear": LINEAR, "exponents": exponents}))
    return 0


def growth(
    shapes: Sequence[tuple[int, int]], *, over: Sequence[int], device: torch.device
) -> dict[str, dict]:
    """For each mixer: seconds and bytes at each (length, depth), and the exponents over ``over``."""
    found = {}
    for mixer in MIXERS:
        measured = [measure(mixer, length=t, depth=n, device=device) for t, n in shapes]
        seconds, kept = (np.array(column) for column in zip(*measured, strict=True))
        found[mixer] = {
            "seconds": seconds.tolist(),
            "bytes": kept.tolist(),
            "seconds_exponent": exponent(over, seconds),
            "bytes_exponent": exponent(over, kept),
        }
    return found


def exponent(sizes: Sequence[int], costs: np.ndarray) -> float:
    """Slope of log cost over log size: 1 is linear, 2 is quadratic."""
    return round(float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]), 3)


def measure(mixer: str, *, length: int, depth: int, device: torch.device) -> tuple[float, int]:
    """Least seconds of three passes forth and back, and the bytes kept in between (weights left out)."""
    design = load_recipe("geneformer").design("small")
    still = dataclasses.replace(design.size.training, dropout=0.0)  # on a CPU it would bar fused attention
    size = dataclasses.replace(design.size, layers=depth, length=length, training=still)
    blocks = blocks_of(dataclasses.replace(design.backbone, mixer=mixer), size).to(device)
    weights = {weight.data_ptr() for weight in blocks.parameters()}
    torch.manual_seed(0)
    x = torch.randn(1, length, size.width, device=device, requires_grad=True)
    sight = see(torch.ones(1, length, dtype=torch.bool, device=device), mask="full")
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    seconds = []
    for _ in range(REPEATS):
        begun = clock(device)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = x
            for block in blocks:
                y = block(y, sight)
        y.sum().backward()
        seconds.append(clock(device) - begun)
        total = sum(kept.values())
        kept.clear()
    return min(seconds), total


def clock(device: torch.device) -> float:
    """Seconds of processor time, which neighbours on a shared machine do not lengthen, or of a GPU's work."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def table(what: str, mixers: dict[str, dict], *, over: Sequence[int]) -> str:
    """Milliseconds and MiB at each size, and the exponents."""
    head = f"{what:14s}" + "".join(f"{size:>10d}" for size in over) + f"{'exponent':>10s}"
    lines = [head]
    for unit, key, scale in (("ms", "seconds", 1e3), ("MiB", "bytes", 2**-20)):
        for name, row in mixers.items():
            cells = "".join(f"{value * scale:10.1f}" for value in row[key])
            lines.append(f"{name + ' ' + unit:14s}{cells}{row[key + '_exponent']:10.2f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
