"""The page: structure, escaping, self-containment."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from made_up import CONTROLS, MODELS, data_set, results, row, run, runs_of, whole_study
from written import page_text

from board.verdict import SHOWN_WORDS

VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Tags, ids, links and tables of a page; an unclosed or crossed tag is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.tables: list[list[str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif "table" in self.open:
            self.tables[-1].append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not set(self.open) & {"style", "script"}:
            self.text.append(data)

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]

    def named(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


def made(**changes):
    return results(whole_study(), **changes)


def page_of(study) -> tuple[str, Page]:
    text = page_text(study)
    return text, Page(text)


@pytest.fixture(scope="module")
def shown() -> tuple[str, Page]:
    return page_of(made())


def test_same_input_same_page(shown) -> None:
    assert page_text(made()) == shown[0]


def test_every_table_has_a_caption_and_scoped_heads(shown) -> None:
    page = shown[1]
    assert len(page.tables) > 8
    assert all(table[0] == "caption" for table in page.tables)
    assert all(head.get("scope") in {"col", "row"} for head in page.named("th"))


def test_ids_are_unique_and_links_arrive(shown) -> None:
    page = shown[1]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = [href for href in page.values("href") if href.startswith("#")]
    assert links
    assert {link[1:] for link in links} <= set(ids)


def test_headings_descend_one_level_at_a_time(shown) -> None:
    levels = [int(tag[1]) for tag, _ in shown[1].tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_is_self_contained(shown) -> None:
    text, page = shown
    assert "://" not in text
    assert not page.values("src")
    assert not page.values("style")
    assert not [name for name in page.tags if name[0] in {"link", "img", "iframe", "object", "base"}]
    beside = {"scores.csv", "scores.parquet", "leaderboard.json", "maps.html"}
    assert {h for h in page.values("href") if not h.startswith("#")} == beside
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]


def test_only_our_script_and_style_may_act(shown) -> None:
    policy = next(m["content"] for m in shown[1].named("meta") if "http-equiv" in m)
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy


def test_the_answer_comes_first_and_names_the_numbers(shown) -> None:
    text = shown[0]
    main = text.index('<main id="main">')
    answer, gains = text.index('id="answer"', main), text.index('id="gains"', main)
    assert main < answer < gains
    assert "none was shown to be better than pca" in text[answer:gains]


def test_a_word_with_a_reason_stands_aside_in_the_answer() -> None:
    seen = [one for model in MODELS for one in runs_of(model, exposure="donors_shared")]
    text = page_text(results(whole_study(), runs=seen))
    said = text[text.index('class="answer"') : text.index('id="gains"')]
    assert "2 in corpus (no zero-shot verdict)." in said


def test_words_stand_beside_their_colours(shown) -> None:
    text = shown[0]
    for word in re.findall(r'class="word (\w+)">([^<]+)<', text):
        assert word[0] == word[1]
    assert '<span class="word worse">worse</span>' in text


def test_family_and_level_are_said(shown) -> None:
    text = " ".join(" ".join(shown[1].text).split())
    assert "4 comparisons" in text
    assert "98.75 %" in text


def test_every_word_is_explained(shown) -> None:
    explained = re.findall(r"<dt>([^<]*)</dt>", shown[0][shown[0].index('id="method"') :])
    said = {word.strip() for term in explained for word in term.split(",")}
    assert {*SHOWN_WORDS, "too few units", "in corpus", "exposure unknown", "no verdict", "probe"} <= said


def test_metrics_are_explained_and_controls_judged(shown) -> None:
    text = shown[0]
    assert "in order" in text
    assert "primary" in text
    assert "one batch only" in text


def evil(text: str = '<script>alert("x")</script>') -> str:
    return text


def test_hostile_names_are_only_text() -> None:
    name = evil()
    runs = [one for model in MODELS for one in runs_of(model)]
    bad_card = dict(run().card) | {"source": name, "license": name, "note": name}
    runs = [replace(one, card=bad_card | {"saw": [name]}, options={name: name}) for one in runs]
    rows = [*whole_study(), row(metric="clisi", status="failed", reason=name)]
    rows.append(row(metric="ilisi", value=1.0, reason=name))
    study = made(title=name, question=name).study
    hostile = results(
        rows, runs=runs, reports=[data_set(note=name, types={name: 1}, label_source=name)], title=name
    )
    text, page = page_of(replace(hostile, study=study))
    assert name not in text
    assert "&lt;script&gt;" in text
    assert len(page.named("script")) == 1


def test_a_hostile_contestant_and_data_set_are_only_text() -> None:
    name = evil("<img src=x onerror=alert(1)>")
    rows = [r | {"dataset": name} for r in whole_study()]
    rows = [r | {"model": name} if r["model"] == "scvi" else r for r in rows]
    models = tuple(name if model == "scvi" else model for model in MODELS)
    text, page = page_of(results(rows, models=models, datasets=(name,)))
    assert not page.named("img")
    assert "<img" not in text


def test_simulated_data_stand_under_their_own_heading() -> None:
    simulated = [data_set(label_source="simulated")]
    text, _ = page_of(made(reports=simulated))
    assert text.index('id="self-test"') < text.index('id="gain-integration-blood-inductive"')
    assert "No pre-trained contestant was measured on real data." in text
    assert "Self-test on simulated data" in text


def test_one_donor_is_not_called_none() -> None:
    """Nothing can be left out of one donor, which is not the same as having none."""
    text = page_text(results(whole_study(donors=1)))
    assert "Rests on 0" not in text
    assert "No gain rests on two or more independent donors." in text


def test_a_data_set_that_failed_is_told_and_not_tabled() -> None:
    bad = replace(
        data_set(), outcome={"status": "failed", "stage": "prepare", "reason": "not counts", "log_tail": ""}
    )
    rows = [row(model=m, status="failed", reason="not counts") for m in MODELS]
    text, page = page_of(results(rows, reports=[bad]))
    assert "blood failed at prepare: not counts. Nothing was measured on it." in text
    assert "No pre-trained contestant was measured on real data." in text
    assert not [i for i in page.values("id") if i.startswith(("gain-", "raw-"))]


@pytest.mark.parametrize("models", [("pca",), ("pca", *CONTROLS)])
def test_a_board_with_nobody_on_it_is_still_a_page(models) -> None:
    text, page = page_of(results(whole_study(models=models), models=models))
    assert "No pre-trained contestant was measured on real data." in text
    assert page.tables


def test_two_hundred_contestants_stay_small() -> None:
    models = ("oracle", "noise", "pca", *(f"m{i}" for i in range(197)))
    text, _ = page_of(results(whole_study(models=models), models=models))
    assert len(text.encode()) < 2_000_000


def luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    parts = [int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    lines = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * lines[0] + 0.7152 * lines[1] + 0.0722 * lines[2]


def test_contrast_is_enough_in_light_dark_and_print() -> None:
    """Every text colour on every background it can stand on, at least 4.5 : 1 (WCAG AA)."""
    style = (Path(__file__).parents[2] / "board" / "style.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{([^}]*--paper[^}]*)\}", style)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for ink in ("ink", "soft", "link", "good", "bad", "even", "open"):
            for ground in ("paper", "shade"):
                pair = sorted((luminance(colours[ink]), luminance(colours[ground])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)
