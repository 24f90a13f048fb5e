"""The section on learning from labels: who beats the reference, and what few labels are worth."""

import dataclasses

import made_up as m
import pytest

from board.boxes import Boxes
from board.evidence import weigh
from board.export import SCHEMA, export
from board.family import accesses, entries, learned_from
from board.learning import Search, lessons, searches
from board.render import environment
from contract.catalogue import check
from contract.errors import UserError
from contract.files import read_json
from metrics.table import TABLE
from tasks.study import Primary, Protocol
from tasks.table import TASKS

PROTOCOL = Protocol(held_out="donor", folds=4, shots=(1, 10))
LEVELS = {"noise": 0.2, "pca": 0.6, "better": 0.7, "same": 0.6}


def results(*, few: bool = True):
    """Twelve donors; ``better`` gains 0.1, ``same`` nothing to speak of; few labels are worth less."""
    wobble = [0.01 * (i % 4) - 0.015 for i in range(12)]
    facts = {"task": "mapping", "metric": "balanced_accuracy", "split": PROTOCOL.name}
    rows = []
    for place, (model, level) in enumerate(LEVELS.items()):
        own = [level + w * (1 + 0.1 * place * (-1) ** i) for i, w in enumerate(wobble)]
        rows += [*m.unit_rows(own, model=model, **facts), m.row(model=model, value=level, **facts)]
        for shots, worth in ((1, 0.4), (10, 0.8)):
            for draw in range(2):
                rows += m.unit_rows([worth * v for v in own], model=model, shots=shots, draw=draw, **facts)
    runs = [
        m.run(model=model, fit="labels", control=model == "noise", options={"head": "logistic"})
        for model in LEVELS
    ]
    if not few:
        rows = [row for row in rows if row["shots"] is None]
    return m.results(
        rows,
        runs=runs,
        models=tuple(LEVELS),
        tasks=("mapping",),
        primary={"mapping": Primary(metric="balanced_accuracy", readout=None, margin=0.02)},
        protocols={"blood": PROTOCOL},
    )


def weighed(found):
    return weigh(found, TABLE)


def test_each_contestant_is_answered_in_words() -> None:
    found = results()
    (lesson,) = lessons(found, weighed(found))
    assert lesson.shots == (1, 10, None)
    answers = {line.model: line.answer for line in lesson.lines}
    assert answers == {
        "noise": "a control",
        "pca": "the reference",
        "better": "yes",
        "same": "no: neither is better",
    }
    assert lesson.reference == "logistic regression on PCA"
    pca = next(line for line in lesson.lines if line.model == "pca")
    assert [round(point.value, 3) for point in pca.points] == [0.24, 0.48, 0.6]


@pytest.mark.parametrize(("units", "told"), [(3, False), (4, True)])
def test_an_interval_needs_four_units(units, told) -> None:
    found = results()
    names = sorted(set(found.rows["unit"]) - {"set"})[:units]
    found.rows.drop(found.rows[~found.rows["unit"].isin([*names, "set"])].index, inplace=True)
    (lesson,) = lessons(found, weighed(found))
    points = [point for line in lesson.lines for point in line.points]
    assert len(points) == 12
    assert all((point.half is not None) == told for point in points)


def test_few_shots_bear_no_verdict_and_stand_in_no_sheet() -> None:
    """With the rows of few labels or without them, every comparison is the same."""
    assert weighed(results()).comparisons == weighed(results(few=False)).comparisons


def test_units_and_family_of_a_protocol() -> None:
    found = results()
    by_name = {entry.model: entry for entry in entries(found, TABLE)}
    assert by_name["better"].units == 12
    data = found.dataset("blood")
    given = {"task": "mapping", "access": "inductive", "fits": {"labels"}}
    assert learned_from(data, **given, protocol=PROTOCOL) == 9
    assert Protocol().learned_from(12) == 11
    assert Protocol(held_out="organism", train=("human",)).learned_from(12) == 6
    assert accesses(found, "better", task="mapping") == {"inductive"}
    assert accesses(found, "better", task="integration") == frozenset()


def test_the_protocol_is_exported_and_checked() -> None:
    found = results()
    board = export(found, weighed(found), TABLE, provenance={})
    protocols = {"protocols": board["study"]["protocols"]}
    form = {"properties": {"protocols": read_json(SCHEMA)["properties"]["study"]["properties"]["protocols"]}}
    check(protocols, form, where="x")
    assert protocols["protocols"]["blood"]["shots"] == [1, 10]
    protocols["protocols"]["blood"]["folds"] = 1
    with pytest.raises(UserError, match="folds"):
        check(protocols, form, where="x")


def test_the_frozen_probe_stands_beside_what_the_search_found() -> None:
    found = results()
    made = {"search": {"fold-1": {"frozen": 0.6, "best": 0.6}, "fold-0": {"frozen": 0.61, "best": 0.73}}}
    tuned = dataclasses.replace(next(run for run in found.runs if run.model == "better"), made=made)
    runs = tuple(tuned if run.model == "better" else run for run in found.runs)
    found = dataclasses.replace(found, runs=runs)
    facts = {"model": "better", "dataset": "blood", "seed": 0}
    assert searches(found) == [
        Search(**facts, fold="fold-0", frozen=0.61, best=0.73),
        Search(**facts, fold="fold-1", frozen=0.6, best=0.6),
    ]
    text = rendered(found)
    assert "chosen on these donors" in text
    assert "+0.120" in text
    assert "chosen on these donors" not in rendered(results())


def rendered(found) -> str:
    page = environment().get_template("learning.html.j2")
    about = {"lessons": lessons(found, weighed(found)), "searches": searches(found)}
    return page.render(boxes=Boxes(), study=found.study, tasks=TASKS, **about)


@pytest.mark.parametrize("folds", [4, None])
def test_random_cells_are_marked(folds) -> None:
    protocol = Protocol(held_out="cells", folds=folds or 4)
    found = results()
    found.rows["split"] = protocol.name if folds else PROTOCOL.name
    text = rendered(found)
    assert ("values are too good" in text) == bool(folds)
    assert "10 labels a type" in text
