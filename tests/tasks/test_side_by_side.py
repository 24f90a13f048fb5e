"""Work in several processes: the same results, in order, and errors that arrive."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract.errors import UserError
from tasks.side_by_side import side_by_side

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("jobs", [1, 2, 3, 9])
def test_results_come_in_order(jobs: int) -> None:
    mine = os.getpid()
    found = list(side_by_side(lambda number: (number**2, os.getpid() != mine), 7, jobs=jobs))
    assert [square for square, _ in found] == [number**2 for number in range(7)]
    assert {elsewhere for _, elsewhere in found} == {jobs > 1}


def test_nothing_to_do() -> None:
    assert list(side_by_side(lambda number: number, 0, jobs=2)) == []


def test_a_result_may_be_larger_than_a_pipe() -> None:
    found = list(side_by_side(lambda number: bytes([number]) * 1_000_000, 4, jobs=2))
    assert found == [bytes([number]) * 1_000_000 for number in range(4)]


def _wrong(number: int) -> int:
    if number == 3:
        raise UserError("here", found="a pear", expected="an apple")
    return number


def test_a_users_mistake_stays_one(capfd) -> None:
    with pytest.raises(UserError, match=r"^here: found a pear; expected an apple$"):
        list(side_by_side(_wrong, 5, jobs=2))
    assert capfd.readouterr().err == ""


def test_a_killed_process_is_told() -> None:
    def killed(number: int) -> int:
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(ChildProcessError, match="killed"):
        list(side_by_side(killed, 6, jobs=2))


AFTER_THREADS = """
import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info, threadpool_limits
from tasks.side_by_side import side_by_side

def work(number):
    Z = np.random.default_rng(number).normal(size=(3000, 8))
    return float(KMeans(4, n_init=1, random_state=0).fit(Z).inertia_)

with threadpool_limits(2, "openmp"):
    alone = [work(number) for number in range(3)]
    np.testing.assert_allclose(list(side_by_side(work, 3, jobs=2)), alone)
"""


def test_who_had_threads_of_openmp_before_may_still_fork() -> None:
    """GNU's OpenMP waits for ever, in a forked process, for the threads that it had before the fork."""
    done = subprocess.run(
        [sys.executable, "-c", AFTER_THREADS],
        cwd=ROOT,
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
