"""Arithmetic of a step, and what the device could do: their ratio is the MFU."""

import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 FLOP/s by the makers' data sheets (SXM boards, without sparsity)."""
REPEATS = 3
ATTENTION = ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention")


def counted(action: Callable[[], Any]) -> tuple[Any, float]:
    """What ``action`` returns, and the FLOPs of its matrix products, convolutions and attention.

    Padding is counted, and each pair of tokens, be it masked or not; scores that attention computes
    once more on the way back are not. Norms, non-linearities and sums are left out, so that the
    MFU made of it is rather too low than too high. A compiled network hides its products: count
    before compiling.
    """
    with FlopCounterMode(display=False, custom_mapping=_attention_products()) as counter:
        result = action()
    return result, float(counter.get_total_flops())


@functools.cache
def peak_flops(device: torch.device) -> float:
    """FLOP/s that a device could do: bfloat16 by the data sheet on a GPU that we know, else as measured.

    Measured is the best of three products of square matrices: bfloat16 on a GPU, float32 on a processor,
    there by its own time on as many threads as torch has now, so that neighbours do not count.
    """
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for part, peak in PEAKS.items():
            if part in name:
                return peak
    side, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (1024, torch.float32)
    a = torch.ones(side, side, dtype=dtype, device=device)
    best = min(_seconds(a) for _ in range(1 + REPEATS))
    return 2 * side**3 / best


def _seconds(a: torch.Tensor) -> float:
    if not a.is_cuda:
        started = time.process_time()
        a @ a
        return (time.process_time() - started) / torch.get_num_threads()
    torch.cuda.synchronize()
    started = time.perf_counter()
    a @ a
    torch.cuda.synchronize()
    return time.perf_counter() - started


@functools.cache
def _attention_products() -> dict[Any, Callable[..., int]]:
    """FLOPs of fused attention by shapes; torch's own lacks the processor's, and counts scores twice."""

    def forward(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return sdpa_flop_count(q, k, v)

    def backward(grad: Any, q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return 2 * sdpa_flop_count(q, k, v)

    found = {}
    for name in ATTENTION:
        found[getattr(torch.ops.aten, f"_scaled_dot_product_{name}")] = forward
        found[getattr(torch.ops.aten, f"_scaled_dot_product_{name}_backward")] = backward
    return found
