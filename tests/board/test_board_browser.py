"""The page in a real Chromium: sorted, filtered, in the dark, on a phone, and under attack."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from browser import DESK, PHONE, TABLET, Browser
from made_up import MODELS, data_set, results, row, run, runs_of, whole_study
from written import page_text

from board.results import Results

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")
TABLE = '[id="gain-integration-blood-inductive"]'
ORDER = f"return [...document.querySelectorAll('{TABLE} tr[data-name]')].map(row => row.dataset.name)"
WORDS = "return [...document.querySelectorAll('td')].map(cell => cell.textContent)"


def written(folder: Path, study: Results) -> Path:
    page = folder / "index.html"
    page.write_text(page_text(study), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    models = (*MODELS, "hvg", "harmony", "scgpt@demo")
    study = results(whole_study(models=models), models=models)
    return written(tmp_path_factory.mktemp("page"), study)


@pytest.fixture
def shown(browser: Browser, page: Path) -> Browser:
    browser.media()
    browser.size(*DESK)
    browser.open(page)
    return browser


def assert_quiet(browser: Browser, page: Path) -> None:
    """Nothing on the console, and nothing asked of any network."""
    assert browser.logged("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.logged("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert asked == {page.as_uri()}


def test_it_opens_in_silence_and_asks_nobody(shown, page) -> None:
    assert_quiet(shown, page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, TABLET, DESK], ids=lambda size: f"{size[0]}px")
def test_everyone_can_read_it(shown, scheme, size) -> None:
    shown.media(scheme=scheme)
    shown.size(*size)
    assert shown.run(AUDIT) == []
    wide = "return [document.documentElement.scrollWidth, innerWidth]"
    found, allowed = shown.run(wide)
    assert found <= allowed, "the page itself scrolls sideways"


def test_it_can_be_read_on_paper(shown) -> None:
    shown.media(medium="print")
    assert shown.run(AUDIT) == []
    hidden = "return getComputedStyle(document.querySelector('nav')).display"
    assert shown.run(hidden) == "none"


def test_the_audit_finds_what_is_wrong(shown) -> None:
    """A test that cannot fail tells nothing: break the page, and it must be told."""
    shown.run("document.querySelector('table').caption.remove()")
    shown.run("document.querySelector('h2').style.color = '#999'")
    shown.run("document.querySelector('th').removeAttribute('scope')")
    shown.run("document.querySelector('label').remove()")
    told = " ".join(shown.run(AUDIT))
    assert all(what in told for what in ("without caption", "contrast 2.8", "without scope", "no name"))


def test_dark_is_dark(shown) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert shown.run(ground) == "rgb(255, 255, 255)"
    shown.media(scheme="dark")
    assert shown.run(ground) == "rgb(20, 23, 27)"


def test_a_click_on_a_heading_sorts_and_a_second_turns_round(shown, page) -> None:
    before = shown.run(ORDER)
    head = f"{TABLE} thead th:nth-child(1)"
    shown.click(f"{head} button")
    assert shown.run(f"return document.querySelector('{head}').ariaSort") == "descending"
    down = shown.run(ORDER)
    shown.click(f"{head} button")
    assert shown.run(f"return document.querySelector('{head}').ariaSort") == "ascending"
    up = shown.run(ORDER)
    contestants = set(MODELS) | {"hvg", "harmony", "scgpt@demo"}
    assert set(before) == set(up) == contestants
    free = [name for name in up if name not in ("oracle", "noise", "pca")]
    assert free == sorted(free)
    assert [name for name in down if name in free] == sorted(free, reverse=True)
    assert (up[0], up[1], up[-1]) == ("oracle", "pca", "noise"), "controls and reference keep their places"
    assert_quiet(shown, page)


def test_sorting_goes_by_numbers_not_by_their_text(shown) -> None:
    shown.click(f"{TABLE} thead th:nth-child(3) button")
    body = f"document.querySelectorAll('{TABLE} tbody')[2]"
    gains = shown.run(f"return [...{body}.rows].map(row => Number(row.cells[2].dataset.order))")
    assert len(gains) == 5
    assert min(gains) < 0 < max(gains)
    assert gains == sorted(gains, reverse=True)


def test_the_keyboard_sorts_too_and_shows_where_it_is(shown) -> None:
    head = f"{TABLE} thead th:nth-child(1)"
    shown.run(f"document.querySelector('{head} button').focus()")
    shown.type(f"{head} button", "\ue007")
    assert shown.run(f"return document.querySelector('{head}').ariaSort") == "descending"
    assert shown.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_filter_hides_lines_and_changes_no_number(shown, page) -> None:
    before = shown.run(WORDS)
    shown.type("#filter", "scvi  GENE")
    visible = "return [...document.querySelectorAll('tr[data-name]')].filter(row => !row.hidden)"
    names = shown.run(f"{visible}.map(row => row.dataset.name)")
    assert set(names) == {"scvi", "geneformer@demo"}
    assert shown.run("return document.getElementById('filter-shown').textContent").startswith(
        f"{len(names)} of"
    )
    assert shown.run(WORDS) == before
    shown.type("#filter", "\ue009a\ue000\ue003")
    assert len(shown.run(f"{visible}.map(row => row.dataset.name)")) > len(names)
    assert_quiet(shown, page)


EXPLORER = '[id="explorer-inductive"]'
RAW = '[id="raw-integration-blood-inductive-none"]'
CELLS = "return [...document.querySelectorAll(arguments[0])].map(r => [...r.cells].map(c => c.textContent))"


def test_the_slider_weighs_and_keeps_the_order(shown, page) -> None:
    """The total is the weighted mean of the two raw columns, and its lines stay sorted by it."""
    known = {name: (float(bio), float(batch)) for name, bio, batch, *_ in shown.run(CELLS, f"{RAW} tbody tr")}
    shown.click(f"{EXPLORER} thead th:nth-child(2) button")
    for value in (0.6, 1.0, 0.0, 0.25):
        setting = "const s = document.getElementById('weight'); s.value = arguments[0];"
        shown.run(f"{setting} s.dispatchEvent(new Event('input'))", value)
        totals = [(name, float(text)) for name, text in shown.run(CELLS, f"{EXPLORER} tbody tr")]
        for name, total in totals:
            bio, batch = known[name]
            assert total == pytest.approx(value * bio + (1 - value) * batch, abs=0.0011)
        contestants = [total for name, total in totals if name not in ("oracle", "noise")]
        assert len(contestants) == 6
        assert contestants == sorted(contestants, reverse=True)
        assert shown.run("return document.querySelector('output').textContent") == f"{value:.2f}"
    shown.type("#weight", "\ue014")
    assert shown.run("return document.querySelector('output').textContent") == "0.30", "arrow keys move it"
    assert shown.run(AUDIT) == []
    assert_quiet(shown, page)


def test_values_sort_by_the_number_and_not_by_its_footnote(shown) -> None:
    body = f"{RAW} tbody:nth-of-type(2)"
    write = "document.querySelector(arguments[0]).cells[1].innerHTML = arguments[1]"
    shown.run(write, f"{body} tr", "−0.5<sup>9</sup>")
    shown.run(write, f"{body} tr:last-child", "n.a.<sup>1</sup>")
    shown.click(f"{RAW} thead th:nth-child(2) button")
    texts = [cells[1] for cells in shown.run(CELLS, f"{body} tr")]
    assert texts[-1] == "n.a.1", "what has no value comes last"
    assert texts[-2] == "−0.59"


def test_a_name_opens_where_its_line_comes_from(shown, page) -> None:
    name = f"{TABLE} tr[data-name='geneformer@demo'] a"
    shown.run("document.querySelector(arguments[0]).focus()", name)
    shown.type(name, "\ue007")
    told = shown.run("return document.querySelector('dialog[open]').textContent")
    assert "geneformer@demo on blood, inductive" in told
    assert "git checkout abc" in told
    assert "results/embeddings/blood/geneformer@demo/fit-none/seed-0" in told
    assert "2.5 s" in told, "its cost"
    assert "BSD-3-Clause" in told, "its card"
    assert "numpy 2" in told, "the packages"
    assert shown.run(AUDIT) == []
    shown.run("document.querySelector('dialog').close()")
    shown.click(f"{TABLE} tr[data-name='scvi'] a")
    told = shown.run("return document.querySelector('dialog[open]').textContent")
    assert "fit-train" in told
    assert "fit-none" not in told
    shown.click("dialog button")
    assert not shown.run("return document.querySelector('dialog').open")
    assert_quiet(shown, page)


def test_at_a_glance_leads_to_the_whole_table(shown) -> None:
    shown.click("#glance-integration-inductive tr[data-name='scvi'] a.word")
    assert shown.run("return location.hash") == "#gain-integration-blood-inductive"


def test_without_script_everything_is_there(shown, page) -> None:
    lines = "return document.querySelectorAll('tbody tr').length"
    with_script = shown.run(lines)
    shown.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shown.open(page)
        assert shown.run(lines) == with_script
        assert shown.run("return document.getElementById('filter-bar').hidden")
        assert shown.run("return document.querySelectorAll('th button').length") == 0
        assert shown.run(AUDIT) == []
    finally:
        shown.devtools("Emulation.setScriptExecutionDisabled", value=False)


ATTACKS = [
    "<script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "' onmouseover='window.pwned = 1' x='",
    "</style></script><script>window.pwned = 1</script>",
    "javascript:window.pwned = 1",
    "<svg onload=window.pwned=1><a href='https://example.org/'>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "x y#z?q=1&amp;<base href=//example.org>",
]


def hostile(name: str) -> Results:
    """A study all of whose strings are an attack: ids, cards, reasons, labels, titles."""
    models = tuple(name if model == "scvi" else model for model in MODELS)
    rows = [
        r | {"dataset": name, "model": name if r["model"] == "scvi" else r["model"]} for r in whole_study()
    ]
    rows.append(row(metric="clisi", status="failed", reason=name, dataset=name))
    rows.append(row(metric="ilisi", value=1.0, reason=name, dataset=name))
    card = dict(run().card) | dict.fromkeys(("source", "revision", "license", "note"), name)
    card |= {"saw": [name], "pretrained_on": [name]}
    runs = [one for model in models for one in runs_of(model, dataset=name)]
    runs = [replace(one, card=card, options={name: name}) for one in runs]
    report = data_set(name, title=name, note=name, label_source=name, types={name: 1})
    return results(
        rows, runs=runs, reports=[report], models=models, datasets=(name,), title=name, question=name
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_names_cannot_act(browser, tmp_path, name) -> None:
    page = written(tmp_path, hostile(name))
    browser.media()
    browser.size(*DESK)
    browser.open(page)
    for event in ("mouseover", "click", "focus", "load", "error"):
        browser.run(f"document.querySelectorAll('*').forEach(n => n.dispatchEvent(new Event('{event}')))")
    assert browser.run("return typeof window.pwned") == "undefined"
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.querySelectorAll('img, iframe, object, base, form').length") == 0
    links = browser.run("return [...document.links].map(link => link.protocol)")
    assert set(links) == {"file:"}
    assert browser.run("return document.querySelector('h1').textContent") == name
    assert browser.run(AUDIT) == []
    assert_quiet(browser, page)


def test_the_policy_stops_a_script_that_got_in(browser, page, tmp_path) -> None:
    """If escaping ever failed, the Content-Security-Policy would still hold."""
    broken = tmp_path / "index.html"
    attack = (
        '<script>window.pwned = 1</script><img src="https://example.org/x.png" onerror="window.pwned = 1">'
    )
    broken.write_text(page.read_text(encoding="utf-8").replace("</h1>", f"</h1>{attack}"), encoding="utf-8")
    browser.open(broken)
    assert browser.run("return typeof window.pwned") == "undefined"
    refused = [entry["message"] for entry in browser.logged("browser")]
    assert sum("Content Security Policy" in message for message in refused) >= 2
