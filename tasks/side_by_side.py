"""Do the same work for many numbers in several processes, each with one thread."""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from threadpoolctl import threadpool_limits

from contract.errors import UserError

T = TypeVar("T")


def side_by_side(work: Callable[[int], T], n: int, *, jobs: int) -> Iterator[T]:
    """Results of ``work(0)`` to ``work(n - 1)``, in this order, by ``jobs`` processes forked from this one.

    What this process holds is shared, not copied; only results are sent. An error of ``work`` is
    raised here, and those that are still at work end with us.

    Raises
    ------
    ChildProcessError
        If a process ended without an answer, as when the kernel is short of memory.
    """
    jobs = min(jobs, n)
    if jobs < 2:
        yield from map(work, range(n))
        return
    # Before any thread of ours exists: a fork would leave those behind.
    context = multiprocessing.get_context("fork")
    workers, ends = [], []
    for first in range(jobs):
        here, there = context.Pipe(duplex=False)
        shares = range(first, n, jobs)
        workers.append(context.Process(target=_do, args=(work, shares, there, os.getpid()), daemon=True))
        workers[-1].start()
        there.close()
        ends.append(here)
    try:
        yield from _in_order(ends, n)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _do(work: Callable[[int], T], share: range, end: Connection, parent: int) -> None:
    threadpool_limits(1)  # also because GNU's OpenMP waits for ever for threads that it had before the fork
    for number in share:
        if os.getppid() != parent:  # killed: nobody waits for the rest
            return
        try:
            end.send((number, work(number), None))
        except Exception as error:  # noqa: BLE001 - raised again where the results are awaited
            if not isinstance(error, UserError):
                traceback.print_exc()
            end.send((number, None, error))
            return


def _in_order(ends: list[Connection], n: int) -> Iterator[T]:
    early: dict[int, T] = {}
    for number in range(n):
        while number not in early:
            for end in wait(ends):
                try:
                    done, result, error = end.recv()
                except EOFError:
                    ends.remove(end)
                    if not ends:
                        raise ChildProcessError("a process was killed, perhaps for lack of memory") from None
                    continue
                if error is not None:
                    raise error
                early[done] = result
        yield early.pop(number)
