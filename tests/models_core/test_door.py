"""The door: what an embedding may not be."""

import numpy as np
import pytest

from models.door import ContractError, check_order, embed_checked


class Says:
    """Answers with a function of the cells."""

    def __init__(self, answer) -> None:
        self.embed = answer


def noise(cells, *, width: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((cells.n_obs, width)).astype(np.float32)


def one_nan(cells) -> np.ndarray:
    values = noise(cells)
    values[7, 1] = np.nan
    return values


WRONG = {
    "a list": (lambda c: noise(c).tolist(), "found list"),
    "one axis": (lambda c: noise(c)[:, 0], "of shape \\(200,\\)"),
    "transposed": (lambda c: noise(c).T, "it is transposed"),
    "a row short": (lambda c: noise(c)[:-1], "a row for each cell"),
    "no width": (lambda c: noise(c)[:, :0], "D of 1 or more"),
    "float64": (lambda c: noise(c).astype(float), "found float64"),
    "integers": (lambda c: noise(c).astype(int), "found int64"),
    "nan": (one_nan, "NaN or infinity in 1 of 200 rows, first 'cell"),
    "constant": (lambda c: np.ones((c.n_obs, 4), np.float32), "same point"),
}


@pytest.mark.parametrize(("answer", "told"), WRONG.values(), ids=WRONG)
def test_wrong_answers_are_refused(cells, answer, told) -> None:
    with pytest.raises(ContractError, match=told) as error:
        embed_checked(Says(answer), cells)
    assert "\n" not in str(error.value)


def test_the_row_of_a_nan_is_named(cells) -> None:
    with pytest.raises(ContractError, match=cells.obs_names[7]):
        embed_checked(Says(one_nan), cells)


def test_constant_columns_are_counted(cells) -> None:
    def half(c):
        values = noise(c)
        values[:, 1] = 5
        return values

    assert embed_checked(Says(half), cells).constant_columns == 1
    ones = Says(lambda c: np.ones((c.n_obs, 4), np.float32))
    assert embed_checked(ones, cells, may_be_constant=True).constant_columns == 4
    assert embed_checked(ones, cells[:1].copy()).constant_columns == 4


def test_sorted_rows_are_found_out(cells) -> None:
    """A model that sorts cells by length and forgets to sort back."""

    def by_total(c):
        return np.sort(np.asarray(c.X.sum(axis=1)).astype(np.float32), axis=0)

    with pytest.raises(ContractError, match="another order"):
        check_order(Says(by_total), cells, tolerance=1e-4)
    check_order(Says(lambda c: np.asarray(c.X.sum(axis=1)).astype(np.float32)), cells, tolerance=0.0)
