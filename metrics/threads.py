"""Work side by side on all cores, in threads: numpy lets go of the interpreter while it computes."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits

_here = threading.local()


def workers() -> int:
    """Threads to use: ``OMP_NUM_THREADS`` where it is set, else the cores this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else len(os.sched_getaffinity(0))


def in_blocks(n: int, step: int, work: Callable[[slice], None]) -> None:
    """Call ``work`` on slices of n rows; one BLAS thread each, and no threads within threads."""
    blocks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if getattr(_here, "busy", False) or len(blocks) == 1:
        for block in blocks:
            work(block)
        return
    with threadpool_limits(1), ThreadPoolExecutor(workers(), initializer=_one_thread) as pool:
        list(pool.map(work, blocks))


def side_by_side(*jobs: Callable[[], None]) -> None:
    """Do some jobs at the same time, each in one thread."""
    in_blocks(len(jobs), 1, lambda one: jobs[one.start]())


def _one_thread() -> None:
    _here.busy = True
    threadpool_limits(1, user_api="openmp")  # OpenMP counts its threads for each thread that calls it
