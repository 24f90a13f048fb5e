"""A verdict that whitening turns bears a mark; one that it does not turn bears none."""

import pytest
from made_up import BASE, PER_UNIT, TWO, WIGGLE, compared, jackknife_rows, results, row, rows_of, unit_rows
from written import page_text

from board.answer import answer
from board.evidence import weigh
from board.export import export
from metrics.table import TABLE

WHITE = {"geometry": "whitened"}


def both(make, *, as_is: float, whitened: float, **where):
    """Rows of scvi over pca in either geometry, by chosen gains."""
    first = rows_of(make, BASE + as_is + WIGGLE, **where)
    return first + rows_of(make, BASE + whitened + WIGGLE, **where, **WHITE)


@pytest.mark.parametrize(("make", "where"), [(unit_rows, PER_UNIT), (jackknife_rows, {})])
@pytest.mark.parametrize(
    ("as_is", "whitened", "words", "turns"),
    [
        (0.2, 0.2, ("better", "better"), False),
        (0.2, -0.2, ("better", "worse"), True),
        (0.2, 0.0001, ("better", "equivalent"), True),
        (-0.2, 0.2, ("worse", "better"), True),
    ],
)
def test_the_mark_is_there_when_the_word_turns(make, where, as_is, whitened, words, turns) -> None:
    found = compared(both(make, as_is=as_is, whitened=whitened, **where))
    assert (found.word, found.whitened.word) == words
    assert found.geometry_dependent is turns


def test_whitening_changes_neither_gain_nor_interval_of_the_verdict() -> None:
    alone = compared(rows_of(unit_rows, BASE + 0.2 + WIGGLE, **PER_UNIT))
    found = compared(both(unit_rows, as_is=0.2, whitened=-0.2, **PER_UNIT))
    assert (found.gain, found.word, found.value) == (alone.gain, alone.word, alone.value)
    assert (alone.whitened, alone.geometry_dependent) == (None, False)


def test_a_missing_second_value_is_told_and_is_no_mark() -> None:
    rows = rows_of(unit_rows, BASE + 0.2 + WIGGLE, **PER_UNIT)
    rows += unit_rows(BASE, model="pca", **PER_UNIT, **WHITE)
    rows.append(row(model="scvi", status="undefined", reason="at one place", **PER_UNIT, **WHITE))
    study = results(rows, models=TWO, tasks=("annotation",))
    (found,) = weigh(study, TABLE).comparisons
    assert not found.geometry_dependent
    assert "Whitened: no verdict (undefined: at one place)." in page_text(study)


def test_the_page_the_answer_and_the_export_say_so() -> None:
    rows = both(unit_rows, as_is=0.2, whitened=-0.2, **PER_UNIT)
    rows = [{**r, "model": r["model"].replace("scvi", "geneformer@demo")} for r in rows]
    study = results(rows, models=("pca", "geneformer@demo"), tasks=("annotation",))
    text, evidence = page_text(study), weigh(study, TABLE)
    assert text.count('<small class="flag">geometry-dependent</small>') == 2  # at a glance, and in full
    assert "Geometry-dependent: whitened it is worse (−0.200, " in text
    assert "geneformer@demo at annotation on blood, inductive (1 better)." in " ".join(
        answer(study, evidence)
    )
    (written,) = export(study, evidence, TABLE, provenance={})["comparisons"]
    assert written["geometry_dependent"] is True
    assert (written["whitened"]["word"], written["whitened"]["gain"]) == ("worse", pytest.approx(-0.2))


def test_whitened_values_are_in_no_table_of_raw_values() -> None:
    rows = both(jackknife_rows, as_is=0.2, whitened=0.3)
    assert page_text(results(rows, models=TWO, tasks=("integration",))) == page_text(
        results(both(jackknife_rows, as_is=0.2, whitened=0.25), models=TWO, tasks=("integration",))
    )
