"""Work side by side on all cores, in threads: numpy lets go of the interpreter while it computes."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from threadpoolctl import ThreadpoolController

_here = threading.local()


def workers() -> int:
    """Threads to use: ``OMP_NUM_THREADS`` where it is set, else the cores this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))


def in_blocks(n: int, step: int, work: Callable[[slice], None]) -> None:
    """Call ``work`` on slices of n rows; one BLAS thread each, and no threads within threads.

    The same to the last bit on any number of cores.
    """
    blocks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if getattr(_here, "busy", False):
        _in_turn(blocks, work)
        return
    with _libraries().limit(limits=1):
        if len(blocks) == 1 or workers() == 1:
            _in_turn(blocks, work)
            return
        with ThreadPoolExecutor(workers(), initializer=_one_thread) as pool:
            list(pool.map(work, blocks))


def _in_turn(blocks: list[slice], work: Callable[[slice], None]) -> None:
    for block in blocks:
        work(block)


def side_by_side(*jobs: Callable[[], None]) -> None:
    """Do some jobs at the same time, each in one thread."""
    in_blocks(len(jobs), 1, lambda one: jobs[one.start]())


def _one_thread() -> None:
    _here.busy = True
    _libraries().limit(limits=1, user_api="openmp")  # OpenMP counts its threads for each that calls it


def _libraries() -> ThreadpoolController:
    """BLAS and OpenMP as far as they are loaded; looking for them takes 10 ms."""
    return _found("sklearn" in sys.modules, "scipy.linalg" in sys.modules, "torch" in sys.modules)


@cache
def _found(*loaded: bool) -> ThreadpoolController:
    return ThreadpoolController()
