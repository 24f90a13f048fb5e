"""The answer in words, for studies whose verdicts are known beforehand."""

from dataclasses import replace

from made_up import BASE, PER_UNIT, WIGGLE, data_set, results, row, runs_of, unit_rows

from board.across import Across
from board.answer import answer
from board.evidence import weigh
from board.gainview import tables
from metrics.table import TABLE

NAMES = ("oracle", "pca", "hvg", "geneformer@demo")


def told(gains, *, sources=("facs",), rival: float = 0.0, **report):
    """One data set a gain of geneformer@demo over pca; hvg is ``rival`` above pca."""
    datasets = tuple(f"set{i}" for i in range(len(gains)))
    rows = []
    for name, gain in zip(datasets, gains, strict=True):
        rows += unit_rows(BASE, model="pca", dataset=name, **PER_UNIT)
        rows += unit_rows(BASE + rival - WIGGLE / 9, model="hvg", dataset=name, **PER_UNIT)
        rows += unit_rows(BASE + gain + WIGGLE, model="geneformer@demo", dataset=name, **PER_UNIT)
        rows += unit_rows(BASE * 0 + 0.9 + WIGGLE, model="oracle", dataset=name, **PER_UNIT)
    reports = [
        data_set(name, citation=name, label_source=sources[i % len(sources)], **report)
        for i, name in enumerate(datasets)
    ]
    study = results(
        rows,
        models=NAMES,
        datasets=datasets,
        reports=reports,
        tasks=("annotation",),
        baselines=("pca", "hvg"),
    )
    evidence = weigh(study, TABLE)
    return " ".join(answer(study, evidence)), tables(study, evidence, TABLE)


def test_who_beats_all_baselines_is_named() -> None:
    text, (table,) = told([0.2], rival=0.05)
    assert "1 better than pca (geneformer@demo" in text
    assert "Better than every simple baseline (hvg and pca): geneformer@demo at annotation on set0" in text
    row = next(row for row in table.contestants if row.model == "geneformer@demo")
    assert "Beats every baseline by at least" in row.scope
    assert "hvg comes nearest" in row.scope


def test_many_wins_of_one_contestant_are_one_clause() -> None:
    text, _ = told([0.2, 0.1, 0.15, -0.2], rival=0.02)
    assert "3 better than pca (geneformer@demo in 3 of 4, by +0.100 to +0.200); 1 worse." in text
    assert (
        "Better than every simple baseline (hvg and pca): geneformer@demo in 3 of 4, by at least 0." in text
    )


def test_the_price_is_against_the_reference_and_pre_training_stands_apart() -> None:
    def cost(fit, embed, pretrain=None):
        return {"seconds": {"pretrain": pretrain, "fit": fit, "embed": embed}}

    rows = unit_rows(BASE, model="pca", **PER_UNIT) + unit_rows(
        BASE - 0.2, model="geneformer@demo", **PER_UNIT
    )
    runs = runs_of("pca", cost=cost(1.0, 1.0)) + runs_of("geneformer@demo", cost=cost(None, 5.0, 7200.0))
    study = results(rows, models=("pca", "geneformer@demo"), tasks=("annotation",), runs=runs)
    said = answer(study, weigh(study, TABLE))
    price = "geneformer@demo takes 2.5 times as long as pca to fit and embed, after 2 h of pre-training"
    assert f"Price: {price}." in said
    free = results(
        rows,
        models=("pca", "geneformer@demo"),
        tasks=("annotation",),
        runs=[one for name in ("pca", "geneformer@demo") for one in runs_of(name, cost={})],
    )
    assert "Price" not in " ".join(answer(free, weigh(free, TABLE)))


def test_who_beats_only_the_reference_is_not_praised() -> None:
    text, (table,) = told([0.2], rival=0.2)
    assert "1 better than pca" in text
    assert "Not shown to beat every simple baseline (hvg and pca) anywhere: geneformer@demo." in text
    row = next(row for row in table.contestants if row.model == "geneformer@demo")
    assert "Not shown to beat every baseline (hvg comes nearest" in row.scope


def test_where_no_verdict_is_possible_none_is_hinted_at() -> None:
    text, _ = told([0.2], rival=0.05, units="none")
    assert "Whether geneformer@demo can beat every simple baseline (hvg and pca) cannot be said" in text


def test_verdicts_stand_apart_by_label_source() -> None:
    text, _ = told([0.2, -0.2, 0.2], sources=("facs", "clustering"))
    assert "By where the labels come from – clustering: 1 worse; facs: 2 better." in text
    assert "By where" not in told([0.2, -0.2])[0]


def test_many_studies_are_summed_up_in_one_sentence() -> None:
    text, _ = told([0.1 + i / 100 for i in range(10)])
    assert "geneformer@demo at annotation, inductive, over 10 studies with labels from facs: better" in text
    assert "median gain over pca +0.145" in text
    few, _ = told([0.1 + i / 100 for i in range(6)])
    assert "over 6 studies with labels from facs: too few studies (6 of the" in few


def test_a_data_set_tells_what_could_be_found_and_gained() -> None:
    facts = " ".join(told([0.2])[1][0].facts)
    assert "Smallest detectable gain: 0.0" in facts
    assert "in 80% of cases" in facts
    assert "Room above the reference: +0.340." in facts  # 0.9 less the mean of BASE


def test_without_pre_trained_ones_the_answer_is_about_who_is_no_baseline() -> None:
    """``board quick``: an embedding of one's own that was fitted on these very cells."""
    rows = [
        r
        for model, level in (("pca", 0), ("hvg", 0.01), ("mine", 0.2))
        for r in unit_rows(BASE + level + (WIGGLE if level else 0), model=model, **PER_UNIT)
    ]
    facts = {"models": ("pca", "hvg", "mine"), "tasks": ("annotation",)}
    study = results(rows, baselines=("pca", "hvg"), **facts)
    text = " ".join(answer(study, weigh(study, TABLE)))
    assert text.startswith(
        "Beside the baselines (mine) on real data, 1 comparison: 1 better than pca (mine at"
    )
    assert "All other contestants on real data, 1 comparison: " in text
    study = results(rows, **facts)
    assert answer(study, weigh(study, TABLE))[0] == "No pre-trained contestant was measured on real data."


def test_a_remark_on_values_stands_beside_the_gains() -> None:
    def shown(remarks):
        rows = [
            r
            for model, said in remarks.items()
            for r in (
                *unit_rows(BASE, model=model, **PER_UNIT),
                row(model=model, value=0.5, reason=said, **PER_UNIT),
            )
        ]
        study = results(rows, models=tuple(remarks), tasks=("annotation",))
        return tables(study, weigh(study, TABLE), TABLE)[0]

    table = shown({"pca": "2 of 9 cells unseen", "hvg": "3 of 9 cells unseen", "scvi": ""})
    told = {one.model: one.reason for one in (table.reference, *table.contestants)}
    assert told["pca"] == "value: 2 of 9 cells unseen"
    assert told["hvg"].endswith("value: 3 of 9 cells unseen")
    assert "value" not in told["scvi"]
    alike = shown({"pca": "2 of 9 cells unseen", "hvg": "2 of 9 cells unseen"})
    assert alike.facts[-1] == "Of the values: 2 of 9 cells unseen."
    assert alike.reference.reason == ""


def test_of_many_winners_some_are_named_and_the_rest_is_counted() -> None:
    winners = tuple(f"model_{i:02d}@demo" for i in range(12))
    rows = unit_rows(BASE, model="pca", **PER_UNIT)
    for i, model in enumerate(winners):
        rows += unit_rows(BASE + 0.2 + 0.01 * i + WIGGLE, model=model, **PER_UNIT)
    study = results(rows, models=("pca", *winners), tasks=("annotation",))
    first = answer(study, weigh(study, TABLE))[0]
    assert "model_07@demo and 4 more) on real data, 12 comparisons: 12 better than pca" in first
    assert first.count("@demo at annotation on blood") == 8
    assert "; and 4 more contestants)" in first


def test_of_many_lines_over_studies_the_decided_come_first() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + unit_rows(BASE, model="scvi", **PER_UNIT)
    study = results(rows, models=("pca", "scvi"), tasks=("annotation",))
    line = Across(
        task="annotation",
        access="inductive",
        label_source="facs",
        model="scvi",
        gains=(("a", 0.1),),
        missing=(),
        value=0.1,
        interval=None,
        word="too few studies",
        reason="1",
    )
    many = [replace(line, model=f"m{i}") for i in range(10)] + [replace(line, word="worse")]
    said = answer(study, replace(weigh(study, TABLE), across=tuple(many)))
    lines = [sentence for sentence in said if "ver 1 study" in sentence]
    assert len(lines) == 8
    assert lines[0].startswith("scvi at annotation")
    assert "Over studies, of 3 others: 3 too few studies." in said


def test_an_equal_price_is_no_multiple() -> None:
    rows = unit_rows(BASE, model="pca", **PER_UNIT) + unit_rows(BASE, model="geneformer@demo", **PER_UNIT)
    study = results(rows, models=("pca", "geneformer@demo"), tasks=("annotation",))
    text = " ".join(answer(study, weigh(study, TABLE)))
    assert "geneformer@demo takes as long as pca to fit and embed" in text
