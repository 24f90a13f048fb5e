"""Boards of unusual shape: very wide, nearly empty, broken; all of them right and readable."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import DESK, PHONE, Browser
from made_up import CONTROLS, MODELS, data_set, jackknife_rows, results, row, runs_of, unit_rows, whole_study
from written import page_text

from board.results import Results
from tasks.table import TASKS

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")
LIMIT = 5_000_000
FULL = (20, 40)
TYPES, WRONG = range(15), 'taken for {"t7": 6, "t8": 4}'
TIMES = """
const [page] = performance.getEntriesByType("navigation");
return [performance.getEntriesByName("first-contentful-paint")[0].startTime, page.loadEventEnd];
"""


def every_value(dataset: str, models: tuple[str, ...], *, units: int = 8) -> list[dict]:
    """A value of every metric of every task, for all contestants, inductive and transductive."""
    rng = np.random.default_rng(0)
    rows = []
    for model in models:
        for access in ("inductive", "transductive"):
            where = {"model": model, "access": access, "dataset": dataset}
            values = np.clip(0.5 + 0.1 * rng.standard_normal(units), 0, 1)
            rows += jackknife_rows(values, **where)
            names = [name for name in TASKS["integration"].metrics if name != "bio_conservation"]
            rows += [row(metric=name, value=float(rng.uniform()), **where) for name in names]
            for readout in ("knn", "logistic"):
                own = {"task": "annotation", "readout": readout, **where}
                rows += unit_rows(values, metric="balanced_accuracy", **own)
                known = TASKS["annotation"].metrics_of(readout)
                rows += [row(metric=name, value=float(rng.uniform()), **own) for name in known]
                rows += [
                    row(metric="accuracy", unit=f"type:t{i}", value=0.9, reason=WRONG, **own) for i in TYPES
                ]
    return rows


def wide(datasets: int, models: int) -> Results:
    names = ("oracle", "noise", "pca", *(f"a_longer_name_{i}@corpus" for i in range(models - 3)))
    sets = tuple(f"data_set_{i:02d}" for i in range(datasets))
    rows = [r for name in sets for r in every_value(name, names)]
    runs = [one for name in sets for model in names for one in runs_of(model, dataset=name)]
    return results(rows, models=names, datasets=sets, runs=runs, reports=[data_set(name) for name in sets])


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """The page of twenty data sets and forty contestants."""
    page = tmp_path_factory.mktemp("full") / "index.html"
    page.write_text(page_text(wide(*FULL)), encoding="utf-8")
    return page


def test_twenty_data_sets_and_forty_contestants_stay_small(full) -> None:
    assert full.stat().st_size < LIMIT


def test_twenty_data_sets_and_forty_contestants_open_at_once(browser, full) -> None:
    """Seconds to the first text and to the end, the best of three: a busy machine may interrupt each."""
    browser.media()
    browser.size(*DESK)
    times = []
    for _ in range(3):
        browser.open(full)
        times.append(browser.run(TIMES))
    first, last = (min(column) / 1000 for column in zip(*times, strict=True))
    print(f"first text after {first:.2f} s, open after {last:.2f} s")
    assert first < 1
    assert last < 2


LATE = "return document.querySelectorAll('.late > noscript').length"
LINES = "return document.querySelectorAll('tbody tr').length"


def settled(browser: Browser) -> None:
    """Wait until no table of a large page is left as text."""
    until = time.monotonic() + 60
    while browser.run(LATE):
        assert time.monotonic() < until
        time.sleep(0.1)


def without_script(browser: Browser, page: Path) -> int:
    """Lines of tables that a page has without script."""
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        return browser.run(LINES)
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A page that leaves most of its tables for later."""
    page = tmp_path_factory.mktemp("large") / "index.html"
    page.write_text(page_text(wide(3, 30)), encoding="utf-8")
    return page


def test_tables_that_came_later_lack_nothing(browser, large) -> None:
    """What is asked for comes at once, all else by itself, no line is lost, and the reader stays in place."""
    browser.media()
    browser.size(*DESK)
    lines = without_script(browser, large)
    browser.open(large)
    asked = "gain-integration-data_set_02-inductive"
    browser.run("document.querySelector(`a[href='#${arguments[0]}']`).click()", asked)
    assert browser.run("return document.getElementById(arguments[0]) !== null", asked)
    settled(browser)
    top = "return document.getElementById(arguments[0]).getBoundingClientRect().top"
    assert 0 <= browser.run(top, asked) + 100 < DESK[1]
    assert browser.run(LINES) == lines
    bare = "return [...document.querySelectorAll('table.sortable:not(:has(button))')].length"
    assert browser.run(bare) == 0
    assert browser.logged("browser") == []


def test_the_filter_finds_lines_that_were_not_there_yet(browser, large) -> None:
    browser.open(large)
    browser.type("#filter", "_26@")
    assert browser.run(LATE) == 0
    names = "return [...document.querySelectorAll('tr[data-name]:not([hidden])')].map(r => r.dataset.name)"
    assert set(browser.run(names)) == {"a_longer_name_26@corpus"}


def test_on_paper_everything_is_there(browser, large) -> None:
    browser.open(large)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(LATE) == 0


def test_the_browsers_own_search_has_everything(browser, large) -> None:
    browser.open(large)
    browser.run("dispatchEvent(new KeyboardEvent('keydown', {key: 'f', ctrlKey: true}))")
    assert browser.run(LATE) == 0


STAYS = """
const [id, done] = arguments, head = document.getElementById(id).tHead.rows[0].cells[0];
head.scrollIntoView({block: 'nearest', behavior: 'instant'});
const start = head.getBoundingClientRect().y;
const look = frames => frames ? requestAnimationFrame(() => setTimeout(look, 0, frames - 1))
  : done(head.getBoundingClientRect().y - start);
look(5);
"""


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_moves_when_it_comes_into_sight(browser, tmp_path, size) -> None:
    """Once tables out of sight were thought to be 40 rem high, and a jump landed up to 1,800 pixels off."""
    page = tmp_path / "index.html"
    page.write_text(page_text(results(whole_study(donors=4))), encoding="utf-8")
    browser.media()
    browser.size(*size)
    for place in ("gain-annotation-blood-inductive", "explorer-inductive", "runs", "metrics"):
        browser.open(page)
        settled(browser)
        assert abs(browser.do("execute/async", script=STAYS, args=[place])) <= 2, place


def shown(browser: Browser, folder: Path, study: Results, *, size: tuple[int, int]) -> str:
    """Open a page, let the audit look at it; its text."""
    page = folder / "index.html"
    page.write_text(page_text(study), encoding="utf-8")
    browser.media()
    browser.size(*size)
    browser.open(page)
    settled(browser)
    assert browser.run(AUDIT) == []
    across, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert across <= room
    assert browser.logged("browser") == []
    return browser.run("return document.body.textContent")


def nobody() -> Results:
    return results(whole_study(models=("pca",)), models=("pca",))


def no_rows_of_one() -> Results:
    rows = [r for r in whole_study() if r["model"] != "scvi"]
    runs = [one for model in MODELS if model != "scvi" for one in runs_of(model)]
    return results(rows, runs=runs)


def one_failed() -> Results:
    broken = {"status": "failed", "stage": "embed", "reason": "out of memory"}
    rows = [r for r in whole_study() if r["model"] != "scvi"]
    for task, metric in (("integration", "bio_conservation"), ("annotation", "balanced_accuracy")):
        readout = "logistic" if task == "annotation" else "none"
        failed = {"task": task, "metric": metric, "readout": readout, "status": "failed"}
        rows.append(row(model="scvi", reason="embed: out of memory", **failed))
    runs = [
        replace(one, outcome=broken, cost={}) if model == "scvi" else one
        for model in MODELS
        for one in runs_of(model)
    ]
    return results(rows, runs=runs)


def one_donor() -> Results:
    report = data_set(units_by_part={"train": [], "test": ["donor:d0"]})
    return results(whole_study(donors=1), reports=[report])


def refused() -> Results:
    bad = replace(data_set(), outcome={"status": "failed", "stage": "prepare", "reason": "no counts"})
    return results([row(model=m, status="failed", reason="no counts") for m in MODELS], reports=[bad])


ODD = [
    (lambda: wide(1, 200), "a_longer_name_196@corpus"),
    (nobody, "No pre-trained contestant was measured on real data."),
    (no_rows_of_one, "not run"),
    (one_failed, "out of memory"),
    (one_donor, "too few units"),
    (refused, "Nothing was measured on it."),
]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize(
    ("make", "said"), ODD, ids=["200", "nobody", "missing", "failed", "one donor", "refused"]
)
def test_odd_boards_are_right_and_readable(browser, tmp_path, make, said, size) -> None:
    assert said in shown(browser, tmp_path, make(), size=size)


def test_controls_alone_are_a_page(browser, tmp_path) -> None:
    models = ("pca", *CONTROLS)
    study = results(whole_study(models=models), models=models)
    assert "control" in shown(browser, tmp_path, study, size=DESK)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Path:
    """The page of two hundred contestants."""
    page = tmp_path_factory.mktemp("crowded") / "index.html"
    page.write_text(page_text(wide(1, 200)), encoding="utf-8")
    return page


ORDERS = """
const table = document.querySelector('table.gains'), body = table.tBodies[table.tBodies.length - 1];
return [...body.rows].map(row => Number(row.cells[2].dataset.order));
"""


def test_two_hundred_contestants_are_sorted_and_filtered(browser, crowded) -> None:
    browser.media()
    browser.size(*DESK)
    browser.open(crowded)
    assert "and 189 more) on real data" in browser.run(
        "return document.querySelector('.answer p').textContent"
    )
    head = "table.gains thead th:nth-child(3) button"
    browser.click(head)
    browser.click(head)
    gains = browser.run(ORDERS)
    assert len(gains) == 197
    assert gains == sorted(gains)
    browser.type("#filter", "_19")
    names = "return [...document.querySelectorAll('table.gains:first-of-type tr[data-name]:not([hidden])')]"
    shown = set(browser.run(f"{names}.map(row => row.dataset.name)"))
    assert shown == {f"a_longer_name_{i}@corpus" for i in (19, *range(190, 197))}
    assert "words and intervals are unchanged" in browser.run(
        "return document.getElementById('filter-shown').textContent"
    )
    assert browser.logged("browser") == []


def test_long_lists_are_cut_and_say_so(crowded) -> None:
    text = crowded.read_text(encoding="utf-8")
    ranks = text.split("Ranks that the data allow", 1)[1].split("</p>")[0]
    assert "… and 178 more" in ranks
    fronts = text.split("Front 1: ", 1)[1].split("</p>")[0]
    assert " more fronts." in fronts
