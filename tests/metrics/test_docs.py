"""docs/metrics.md speaks of every score, and its numbers are those that the code gives today."""

import re

import numpy as np
import pytest

from bench import response
from bench.response_docs import PART, same
from bench.response_words import respond
from metrics import TABLE
from metrics.row import Metric

TEXT = (response.DOCS / "metrics.md").read_text(encoding="utf-8")
PROSE = {
    name: body for name, body in re.findall(r"^### `(\w+)`\n(.*?)(?=^#{2,3} |\Z)", TEXT, flags=re.M | re.S)
}
WRITTEN = response.read()
ENDS = {name: (0, len(sweep.levels) - 1) for name, sweep in response.SWEEPS.items()}


def test_every_score_has_one_paragraph_and_no_paragraph_lacks_a_score() -> None:
    headings = re.findall(r"^### `(\w+)`$", TEXT, flags=re.M)
    assert sorted(headings) == sorted(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_a_paragraph_says_what_it_means_when_it_lies_and_what_chance_gives(name: str) -> None:
    words = PART.sub("", PROSE[name])
    meaning, lies, chance = re.split(r"\*\*Lies\*\*|\*\*Chance\*\*", words)
    assert all(len(part.split()) >= 3 for part in (meaning, lies, chance))


def test_every_score_is_measured() -> None:
    measured = {metric for found in WRITTEN.values() for metric in found}
    assert measured == set(TABLE)


def test_the_pages_follow_from_the_values() -> None:
    for name, wanted in response.pages(WRITTEN, text=TEXT).items():
        assert same((response.DOCS / name).read_text(encoding="utf-8"), wanted, tolerance=0.02), name


def test_a_fresh_run_gives_the_written_values() -> None:
    """First and last level of every sweep with the first seed; ``--check`` takes them all."""
    fresh = response.measure(range(1), only=ENDS)
    assert not list(response.out_of_step(WRITTEN, fresh, only=ENDS))


def test_a_changed_score_is_noticed() -> None:
    fresh = {sweep: {m: [row[:1] for row in rows] for m, rows in f.items()} for sweep, f in WRITTEN.items()}
    assert not list(response.out_of_step(WRITTEN, fresh))
    fresh["mislabelled"]["ilisi"][3][0] += 0.03
    assert [line.split(":")[0] for line in response.out_of_step(WRITTEN, fresh)] == [
        "ilisi under mislabelled, level 3, seed 0"
    ]
    del fresh["easy_answer"]["kappa"]
    assert len(list(response.out_of_step(WRITTEN, fresh))) == 2


@pytest.mark.parametrize(
    ("means", "word"),
    [
        ([1.0, 0.9, 0.9, 0.4], "worsens"),
        ([0.4, 0.4, 0.5, 0.9], "improves"),
        ([0.9, 0.5, 0.8], "turns"),
        ([0.9, 0.901, 0.885], "flat"),
    ],
)
@pytest.mark.parametrize("low_is_good", [False, True])
def test_words_of_a_response(means: list[float], word: str, low_is_good: bool) -> None:
    metric = Metric(name="m", title="M", task="integration", best=1.0, worst=0.0, about="")
    turned = Metric(name="m", title="M", task="integration", best=0.0, worst=1.0, about="")
    seeds = np.array(means)[:, None] + np.array([-0.3, 0.0, 0.2])  # seeds differ, their changes do not
    found = respond(turned if low_is_good else metric, 1 - seeds if low_is_good else seeds)
    assert found.word == word
    assert found.change_error == pytest.approx(0.0)


def test_what_differs_from_seed_to_seed_is_no_change() -> None:
    metric = Metric(name="m", title="M", task="integration", best=1.0, worst=0.0, about="")
    assert respond(metric, [[0.5, 0.5, 0.5], [0.9, 0.2, 0.6]]).word == "flat"


def test_a_turn_is_shown_at_its_extreme() -> None:
    metric = Metric(name="m", title="M", task="integration", best=1.0, worst=0.0, about="")
    assert respond(metric, [[0.5, 0.5], [0.6, 0.6], [0.2, 0.2], [0.4, 0.4]]).extreme == 2


def test_texts_are_the_same_when_words_are_and_numbers_nearly() -> None:
    assert same("a 0.51 → -0.20", "a 0.50 → -0.21", tolerance=0.02)
    assert not same("a 0.51", "a 0.54", tolerance=0.02)
    assert not same("a 0.51 worsens", "a 0.51 turns", tolerance=0.02)
