"""docs/metrics.md speaks of every score, and its numbers are those that the code gives today."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest

import metrics
from bench import response
from bench.response_cells import cells
from bench.response_docs import PART, same
from bench.response_read import ontology
from bench.response_words import respond
from contract.errors import UserError
from metrics import TABLE
from metrics.row import Metric
from tasks.cells import COLUMNS
from tasks.cells import Cells as Truth
from tasks.integration import score_integration

TEXT = (response.DOCS / "metrics.md").read_text(encoding="utf-8")
PROSE = {
    name: body for name, body in re.findall(r"^### `(\w+)`\n(.*?)(?=^#{2,3} |\Z)", TEXT, flags=re.M | re.S)
}
WRITTEN = response.read()
ENDS = (0, 5)  # levels


def test_every_score_has_one_paragraph_and_no_paragraph_lacks_a_score() -> None:
    headings = re.findall(r"^### `(\w+)`$", TEXT, flags=re.M)
    assert sorted(headings) == sorted(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_a_paragraph_says_what_it_means_when_it_lies_and_what_chance_gives(name: str) -> None:
    words = PART.sub("", PROSE[name])
    meaning, lies, chance = re.split(r"\*\*Lies\*\*|\*\*Chance\*\*", words)
    assert all(len(part.split()) >= 3 for part in (meaning, lies, chance))


CLAIMS = [
    ("isolated_labels", "the score rises", "batch_effect", 0.81),
    ("nmi_kmeans", "0.02 in the simulation", "collapsed", 0.02),
    ("nmi_leiden", "0.06 in the simulation", "collapsed", 0.06),
    ("graph_connectivity", "0.24 for noise", "collapsed", 0.24),
    ("bio_conservation", "about 0.3 for noise", "collapsed", 0.3),
    ("batch_correction", "noise scores 0.8", "collapsed", 0.8),
    ("scib_total", "noise has 0.5", "collapsed", 0.5),
    ("avg_bio", "about 0.2 for noise", "collapsed", 0.2),
    ("scgraph", "0.4 in the simulation", "mislabelled", 0.4),
    ("rogi_xd", "about 0.45 for noise", "collapsed", 0.45),
    ("pearson_delta", "0.7 in the simulation", "easy_answer", 0.7),
]


@pytest.mark.parametrize(("name", "claim", "sweep", "value"), CLAIMS)
def test_numbers_in_the_prose_are_those_measured(name: str, claim: str, sweep: str, value: float) -> None:
    assert claim in " ".join(PROSE[name].split())
    assert np.mean(WRITTEN[sweep][name][-1]) == pytest.approx(value, abs=0.05)


def test_noise_has_a_higher_total_than_a_strong_batch_effect() -> None:
    """Although types can be read off the second: its neighbourhoods are pure."""
    total, purity = (
        {sweep: np.mean(WRITTEN[sweep][score][-1]) for sweep in ("collapsed", "batch_effect")}
        for score in ("scib_total", "clisi")
    )
    assert total["collapsed"] > total["batch_effect"]
    assert purity["collapsed"] < 0.5 < 0.95 < purity["batch_effect"]


def test_nmi_of_noise_is_far_above_zero_with_many_types() -> None:
    random = np.random.default_rng(0)
    Z, labels = random.normal(size=(600, 10)), random.integers(0, 30, 600).astype(str)
    nearest = metrics.neighbors(Z)
    assert metrics.nmi_ari_kmeans(Z, labels)[0] == pytest.approx(0.2, abs=0.05)
    assert metrics.nmi_ari_leiden(nearest, labels)[0] == pytest.approx(0.2, abs=0.07)


def test_every_score_is_measured() -> None:
    measured = {metric for found in WRITTEN.values() for metric in found}
    assert measured == set(TABLE)


def test_the_pages_follow_from_the_values() -> None:
    for name, wanted in response.pages(WRITTEN, text=TEXT).items():
        assert same((response.DOCS / name).read_text(encoding="utf-8"), wanted, tolerance=0.02), name


def test_a_fresh_run_gives_the_written_values() -> None:
    """First and last level of every sweep with the first seed; ``--check`` takes them all."""
    fresh = response.measure(range(1), places=ENDS)
    assert not list(response.out_of_step(WRITTEN, fresh, places=ENDS))


def test_studies_compute_the_scores_that_were_measured() -> None:
    c = cells(0)
    nothing, everywhere = np.full(len(c.Z), None), np.full(len(c.Z), "test")
    columns = [column.astype(object) for column in (c.labels, c.ids, c.batch)]
    truth = Truth(**dict(zip(COLUMNS, [*columns, nothing, everywhere], strict=True)), reference=c.native)
    rows = score_integration(
        c.Z,
        truth,
        access="transductive",
        primary="bio_conservation",
        knowledge=SimpleNamespace(
            reference=ontology()[0], consensus=metrics.scgraph_reference(c.X, c.batch, c.labels)
        ),
    )
    written = {row.metric: WRITTEN["collapsed"][row.metric][0][0] for row in rows}
    assert {row.metric: row.value for row in rows} == pytest.approx(written, abs=0.02)


def test_a_changed_score_is_noticed() -> None:
    fresh = {sweep: {m: [row[:1] for row in rows] for m, rows in f.items()} for sweep, f in WRITTEN.items()}
    assert not list(response.out_of_step(WRITTEN, fresh))
    fresh["mislabelled"]["ilisi"][3][0] += 0.03
    assert [line.split(":")[0] for line in response.out_of_step(WRITTEN, fresh)] == [
        "ilisi under mislabelled, level 3, seed 0"
    ]
    del fresh["easy_answer"]["kappa"]
    assert len(list(response.out_of_step(WRITTEN, fresh))) == 2


def test_the_check_tells_in_one_line_what_is_out_of_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = copy.deepcopy(WRITTEN)
    changed["collapsed"]["kbet"][2][1] += 0.1
    monkeypatch.setattr(response, "measure", lambda seeds: WRITTEN)
    assert response.main(["--check"]) == 0
    monkeypatch.setattr(response, "measure", lambda seeds: changed)
    assert response.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "kbet under collapsed, level 2, seed 1" in said


def test_a_score_without_a_paragraph_is_named() -> None:
    without = TEXT.replace("<!-- generated: kappa -->", "")
    with pytest.raises(UserError, match=r"docs/metrics\.md: .* kappa"):
        response.pages(WRITTEN, text=without)


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
