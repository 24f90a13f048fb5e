"""Against every baseline at once, and over many studies."""

import numpy as np
import pytest
from made_up import BASE, PER_UNIT, WIGGLE, data_set, results, row, run, runs_of, unit_rows

from board.evidence import weigh
from board.gain import Gain
from board.rivals import against_all
from metrics.table import TABLE

NAMES = ("pca", "hvg", "scvi", "geneformer@demo")
SIMPLE = ("pca", "hvg", "scvi")
ONE = {"tasks": ("annotation",)}


def against(gains: dict, *, rows=None, runs=None):
    """The comparison of geneformer@demo, whose gains over the three baselines are given."""
    rng = np.random.default_rng(1)
    own = [
        r for m, g in gains.items() for r in unit_rows(0.9 - g + rng.normal(0, 0.005, 6), model=m, **PER_UNIT)
    ]
    own += unit_rows(0.9 + rng.normal(0, 0.005, 6), model="geneformer@demo", **PER_UNIT)
    study = results([*own, *(rows or [])], models=NAMES, runs=runs, baselines=SIMPLE, **ONE)
    found = weigh(study, TABLE)
    return next(c for c in found.comparisons if c.model == "geneformer@demo"), found


def test_who_beats_the_best_beats_them_all() -> None:
    found, _ = against({"pca": 0.3, "hvg": 0.2, "scvi": 0.1})
    assert found.word == "better"
    assert found.rivals.word == "beats every baseline"
    assert found.rivals.nearest == "scvi"
    assert found.rivals.value == pytest.approx(0.1, abs=0.01)
    assert 0 < found.rivals.low < found.rivals.value < found.gain.value


def test_better_than_the_reference_is_not_better_than_all() -> None:
    found, _ = against({"pca": 0.3, "hvg": 0.2, "scvi": 0.0})
    assert found.word == "better"
    assert found.rivals.word == "not shown"
    assert found.rivals.low < 0


def test_a_baseline_that_failed_is_not_beaten() -> None:
    lost = row(model="scvi", status="failed", reason="out of memory", **PER_UNIT)
    found, _ = against({"pca": 0.3, "hvg": 0.2}, rows=[lost])
    assert found.rivals.word == "no verdict"
    assert "scvi" in found.rivals.reason
    assert found.rivals.value is None


def test_a_baseline_that_does_not_apply_is_left_out_and_named() -> None:
    none = {"status": "not_applicable", "stage": "embed", "reason": "human only", "log_tail": ""}
    runs = [one for model in NAMES if model != "scvi" for one in runs_of(model)]
    runs.append(run(model="scvi", outcome=none))
    lost = row(model="scvi", status="not_applicable", reason="human only", **PER_UNIT)
    found, _ = against({"pca": 0.3, "hvg": 0.2}, rows=[lost], runs=runs)
    assert found.rivals.word == "beats every baseline"
    assert found.rivals.left_out == ("scvi",)


def test_baselines_are_not_compared_among_each_other() -> None:
    _, found = against({"pca": 0.3, "hvg": 0.2, "scvi": 0.1})
    assert {c.model for c in found.comparisons if c.rivals is not None} == {"geneformer@demo"}
    assert found.family == 3  # hvg, scvi, geneformer@demo: beating all costs nothing more


def test_without_verdict_over_the_reference_there_is_none_over_all() -> None:
    gains = {"pca": Gain(value=0.1, interval=None, units=2), "hvg": Gain(value=0.2, interval=None, units=2)}
    found = against_all(gains, word="too few units", not_applicable=frozenset())
    assert (found.word, found.low, found.value) == ("no verdict", None, 0.1)


def many(gains, *, models=("pca", "scvi"), margin_of=data_set, **changes):
    """One data set a gain, each of a study of its own, six donors each."""
    names = tuple(f"set{i}" for i in range(len(gains)))
    rows = []
    for name, gain in zip(names, gains, strict=True):
        rows += unit_rows(BASE, model="pca", dataset=name, **PER_UNIT)
        rows += unit_rows(BASE + gain + 5 * WIGGLE, model="scvi", dataset=name, **PER_UNIT)
    reports = changes.pop("reports", None) or [margin_of(name, citation=f"doi:{name}") for name in names]
    return weigh(results(rows, models=models, datasets=names, reports=reports, **ONE, **changes), TABLE)


GAINS = [0.1, 0.12, 0.08, 0.11, 0.09, 0.1, 0.13, 0.07, 0.1, 0.12]


def test_ten_studies_are_weighed_together() -> None:
    found = many(GAINS)
    assert found.family == 10 + 1  # the verdict across them shares the error rate
    (one,) = found.across
    assert (one.word, one.label_source, len(one.gains)) == ("better", "facs", 10)
    assert one.value == pytest.approx(np.mean(GAINS), abs=0.01)
    assert one.interval.level == found.level


def test_five_studies_are_shown_one_by_one() -> None:
    found = many(GAINS[:5])
    assert found.across == ()
    assert found.family == 5


def test_six_studies_are_too_few_for_a_large_family_and_it_is_said() -> None:
    (one,) = many(GAINS[:6]).across
    assert one.word == "too few studies"
    assert one.reason == "6 of the 9 studies that a family of this size needs"
    assert one.value is not None


def test_data_sets_of_one_study_count_once() -> None:
    reports = [data_set(f"set{i}", citation=f"GEO:{i // 2}") for i in range(10)]
    assert many(GAINS, reports=reports).across == ()


def test_labels_of_different_sources_are_not_pooled() -> None:
    reports = [
        data_set(f"set{i}", citation=f"doi:{i}", label_source="facs" if i < 4 else "clustering")
        for i in range(10)
    ]
    (one,) = many(GAINS, reports=reports).across
    assert one.label_source == "clustering"
    assert len(one.gains) == 6


def test_simulated_data_are_never_pooled() -> None:
    reports = [data_set(f"set{i}", citation=f"doi:{i}", label_source="simulated") for i in range(10)]
    found = many(GAINS, reports=reports)
    assert found.across == ()
    assert found.real.size == 0


def test_one_donor_is_enough_where_the_study_is_the_unit() -> None:
    reports = [data_set(f"set{i}", citation=f"doi:{i}", units="none") for i in range(10)]
    found = many(GAINS, reports=reports)
    assert found.family == 1
    assert found.across[0].word == "better"
    assert {c.word for c in found.comparisons} == {"too few units"}
