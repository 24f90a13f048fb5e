"""Pictures and plain words."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from board.svg import Point, gain_scale, round_values, scatter, spread, whisker
from board.text import count, listing, number, percent, reason_for, seconds, size, tidy


def test_scale_holds_zero_margin_and_values() -> None:
    scale = gain_scale([0.5, 0.1], margin=0.02)
    places = [scale(v) for v in (-0.02, 0, 0.02, 0.5)]
    assert places == sorted(places)
    assert places[0] > 0
    assert places[-1] < 200


def test_whisker_marks_what_is_known() -> None:
    scale = gain_scale([0.1], margin=0.02)
    whole = ET.fromstring(whisker(scale, value=0.1, low=0.05, high=0.15, margin=0.02))
    assert [part.tag for part in whole] == ["rect", "line", "path", "circle"]
    blank = ET.fromstring(whisker(scale, value=None, low=None, high=None, margin=0.02))
    assert [part.tag for part in blank] == ["rect", "line"]


def test_whisker_dot_stands_at_its_value() -> None:
    scale = gain_scale([0.1], margin=0.02)
    dot = ET.fromstring(whisker(scale, value=0.1, low=None, high=None, margin=0.02)).find("circle")
    assert float(dot.get("cx")) == scale(0.1)


def test_whisker_points_to_what_lies_beyond() -> None:
    scale = gain_scale([0.1], margin=0.02)
    for value in (-0.9, 0.9):
        tree = ET.fromstring(whisker(scale, value=value, low=value - 0.01, high=value + 0.01, margin=0.02))
        assert [part.tag for part in tree] == ["rect", "line", "path"]
        assert tree.find("path").get("class") == "dot"
    cut = ET.fromstring(whisker(scale, value=0.1, low=-0.9, high=0.104, margin=0.02)).find("path")
    assert cut.get("d").startswith(f"M{scale(scale.low)} ")
    assert cut.get("d").count("v8") == 1


def test_scatter_is_well_formed_and_escaped() -> None:
    names = ["<b>&", "pca", "noise"]
    kinds = ["pre-trained", "fitted here", "control"]
    points = [
        Point(name=n, cost=10.0**i, quality=0.1 * i, kind=k)
        for i, (n, k) in enumerate(zip(names, kinds, strict=True))
    ]
    tree = ET.fromstring(scatter(points, title='a "title" <x>', quality="q"))
    assert tree.get("aria-label") == 'a "title" <x>'
    assert set(names) <= {text.text for text in tree.iter("text")}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.095, 1.0], [0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.61, 0.63, 0.62], [0.61, 0.62, 0.63]),
        ([-0.3, 0.3], [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        ([3.0, 3.001], [3.0, 3.001]),
        ([0.0, 1234.0], [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0]),
    ],
)
def test_axis_names_round_values_that_exist(values, shown) -> None:
    assert round_values(values) == pytest.approx(shown)


def test_scatter_of_equal_points() -> None:
    points = [Point(name="a", cost=1.0, quality=0.5, kind="control")] * 2
    assert ET.fromstring(scatter(points, title="t", quality="q")) is not None


def test_spread_keeps_order_and_distance() -> None:
    places = spread([10, 11, 12, 50], gap=12, low=0, high=100)
    assert places == sorted(places)
    assert all(b - a >= 12 for a, b in pairwise(places))
    assert spread([], gap=12, low=0, high=100) == []


@pytest.mark.parametrize("values", [[0.0] * 150 + [1.0], [0.0] + [1.0] * 150, [i / 150 for i in range(151)]])
def test_every_name_of_many_lies_inside_the_picture(values) -> None:
    """Once the best one's name stood above the upper edge."""
    points = [Point(name=f"m{i}", cost=1.0, quality=v, kind="fitted here") for i, v in enumerate(values)]
    tree = ET.fromstring(scatter(points, title="t", quality="q"))
    height = float(tree.get("viewBox").split()[3])
    places = sorted(float(text.get("y")) for text in tree.iter("text") if text.get("class") == "name")
    assert len(places) == 151
    assert places[0] > 8
    assert places[-1] < height
    assert all(b - a >= 11.9 for a, b in pairwise(places))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (number(None), "–"),
        (number(-0.1234), "−0.123"),
        (number(0.5, sign=True), "+0.500"),
        (number(float("inf")), "∞"),
        (number(float("-inf")), "−∞"),
        (seconds(None), "–"),
        (seconds(0.1234), "0.123 s"),
        (seconds(600), "10 min"),
        (seconds(7200), "2 h"),
        (size(2**29), "512 MiB"),
        (size(None), "–"),
        (percent(0.99875), "99.88 %"),
        (percent(0.95), "95 %"),
        (listing([]), "none"),
        (listing(["a"]), "a"),
        (listing(["a", "b", "c"]), "a, b and c"),
        (listing(["a", "b", "c", "d"], most=2), "a, b and 2 more"),
        (listing(["a", "b", "c"], most=2), "a, b and c"),
        (count(1, "donor"), "1 donor"),
        (count(2000, "donor"), "2,000 donors"),
        (tidy(None), "–"),
        (tidy([]), "none"),
        (tidy({"a": 1.5, "b": False}), "a: 1.5, b: no"),
        (tidy(["x"] * 5, longest=2), "x, x … and 3 more"),
    ],
)
def test_plain_words(made, text) -> None:
    assert made == text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("blood: /home/jo/d/blood.h5ad: found 3", "found 3"),
        ("prepare: blood: /home/jo/x.h5ad: found 3", "prepare: …/x.h5ad: found 3"),
        ("C:\\Users\\jo\\x.h5ad and ~/a/b.txt", "…/x.h5ad and …/b.txt"),
        (
            "https://doi.org/10.1/x, results/data/x and 1/2 of /x",
            "https://doi.org/10.1/x, results/data/x and 1/2 of /x",
        ),
        ("not blood: of another", "not blood: of another"),
    ],
)
def test_reasons_name_files_but_no_folders(said, shown) -> None:
    assert reason_for("blood", said) == shown
