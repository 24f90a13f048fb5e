"""UMAPs: drawn once, the same every time, and honest where there is none."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import DESK, Browser
from written import STUDY, board

from board import maps
from board.maps import flat, shown_cells
from contract.files import read_json, write_json

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")
HOSTILE = "$\\frac{</title><script>window.pwned = 1</script>"


def cells(*, types: int = 3, each: int = 20) -> tuple[np.ndarray, list[str]]:
    """Types far apart in five dimensions, and their names, the first of which is an attack."""
    rng = np.random.default_rng(1)
    centres = 20 * np.eye(5)[np.repeat(np.arange(types), each)]
    names = [HOSTILE, *(f"type {i}" for i in range(1, types))]
    return (centres + rng.standard_normal((types * each, 5))).astype("float32"), list(np.repeat(names, each))


def written(folder: Path, Z: np.ndarray, *, model: str = "pca", status: str = "ok") -> Path:
    """An embedding's folder as `models embed` leaves it."""
    where = folder / model
    where.mkdir(parents=True)
    np.save(where / "embedding.npy", Z)
    write_json(where / "run.json", {"dataset": "blood", "model": model, "fit": "all", "seed": 0})
    reason = "" if status == "ok" else "/home/jo/secret/x.npy was lost"
    write_json(where / "outcome.json", {"status": status, "stage": "embed", "reason": reason})
    return where


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """The page of three embeddings: one that can be drawn, one that failed, one that is a single point."""
    folder = tmp_path_factory.mktemp("maps")
    Z, names = cells()
    for model, own, status in (("pca", Z, "ok"), ("scvi", Z[:0], "failed"), ("noise", 0 * Z, "ok")):
        where = written(folder, own, model=model, status=status)
        assert board("map", "--embedding", str(where), "--out", str(folder / f"{model}.json")) == 0
    (folder / "study.yaml").write_text(json.dumps(STUDY))
    (folder / "data" / "blood").mkdir(parents=True)
    truth = pd.DataFrame({"label": names, "batch": "$\\frac{", "donor": None})
    truth.to_parquet(folder / "data" / "blood" / "truth.parquet")
    files = [str(folder / f"{model}.json") for model in ("scvi", "pca", "noise")]
    out = folder / "maps.html"
    words = ["--study", str(folder / "study.yaml"), "--data", str(folder / "data"), "--out", str(out)]
    assert board("maps", *words, "--maps", *files) == 0
    return folder


def test_a_map_keeps_types_apart_and_is_the_same_every_time(drawn) -> None:
    Z, names = cells()
    found = read_json(drawn / "pca.json")
    places = np.column_stack([found["x"], found["y"]])
    groups = pd.Series(names)
    middles = np.array([places[groups == name].mean(axis=0) for name in groups.unique()])
    spread = max(places[groups == name].std(axis=0).max() for name in groups.unique())
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(middles) for b in middles[:i]]
    assert min(gaps) > 2 * spread
    again = flat(Z)
    assert (again["x"], again["y"], again["cells"]) == (found["x"], found["y"], found["cells"])


def test_what_cannot_be_drawn_says_why(drawn) -> None:
    page = (drawn / "maps.html").read_text(encoding="utf-8")
    assert "No map: failed at embed: …/x.npy was lost." in page
    assert "No map: 1 different points, where a map needs 5." in page
    assert page.count("<img ") == 1
    assert page.index("noise, fitted on all") < page.index("pca, fitted on all"), "in the study's order"


def test_many_cells_are_drawn_from_once(monkeypatch) -> None:
    monkeypatch.setattr(maps, "MOST", 50)
    rows = shown_cells(1000)
    assert len(rows) == len(set(rows.tolist())) == 50
    assert rows.tolist() == sorted(rows.tolist())
    assert rows.tolist() == shown_cells(1000).tolist()
    assert shown_cells(20).tolist() == list(range(20))


def test_the_maps_are_read_by_everyone_and_cannot_act(browser: Browser, drawn) -> None:
    browser.media()
    browser.size(*DESK)
    browser.open(drawn / "maps.html")
    assert browser.run(AUDIT) == []
    assert browser.run("return document.scripts.length") == 0
    assert browser.run("return typeof window.pwned") == "undefined"
    widths = "return [...document.images].map(picture => [picture.naturalWidth, picture.alt])"
    (width, alt), *rest = browser.run(widths)
    assert not rest
    assert width > 1000
    assert alt == "UMAP of 60 cells by pca, fitted on all: 3 cell types, 1 batch, 1 donor"
    assert browser.logged("browser") == []


@pytest.mark.parametrize("command", ["map", "maps"])
def test_a_missing_file_is_one_line(tmp_path, capsys, command) -> None:
    (tmp_path / "study.yaml").write_text(json.dumps(STUDY))
    study, none = str(tmp_path / "study.yaml"), str(tmp_path / "none.json")
    words = {
        "map": ["--embedding", str(tmp_path)],
        "maps": ["--study", study, "--data", str(tmp_path), "--maps", none],
    }
    assert board(command, *words[command], "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no such file" in error
