"""Work in several processes: the same results, in order, and errors that arrive."""

import os
import signal

import pytest

from contract.errors import UserError
from tasks.side_by_side import side_by_side


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
