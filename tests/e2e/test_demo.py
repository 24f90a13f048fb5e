"""The demo study end to end: from counts to a page, on simulated and on real cells."""

import re
from pathlib import Path

import pandas as pd
import pytest
from harness import run

pytestmark = pytest.mark.e2e

COLUMNS = [
    *("study", "dataset", "model", "checkpoint", "adaptation", "readout", "access", "geometry"),
    *("pretrain_seed", "fit_seed", "split", "shots", "draw", "task", "metric", "metric_version"),
    *("unit", "n", "value", "status", "reason"),
]


@pytest.fixture(scope="module")
def scores(demo: Path) -> pd.DataFrame:
    return pd.read_parquet(demo / "results/leaderboards/demo/scores.parquet")


def test_columns_and_coverage(scores: pd.DataFrame) -> None:
    assert list(scores.columns) == COLUMNS
    assert set(scores.dataset) == {"blood_sim", "pbmc68k"}
    assert scores.model.nunique() >= 9
    assert scores[scores.model == "scvi_inductive"].fit_seed.nunique() >= 2
    for control in ("noise", "oracle"):
        assert scores[scores.model == control].fit_seed.nunique() == 1
    assert scores[scores.model == "geneformer@demo"].pretrain_seed.nunique() >= 2


def test_no_null_without_a_reason(scores: pd.DataFrame) -> None:
    assert set(scores.status) <= {"ok", "undefined", "not_applicable", "failed"}
    assert not (scores.status == "failed").any()
    assert (scores.value.notna() == (scores.status == "ok")).all()
    assert scores[scores.status != "ok"].reason.str.len().gt(0).all()


@pytest.mark.parametrize("dataset", ["blood_sim", "pbmc68k"])
@pytest.mark.parametrize("access", ["inductive", "transductive"])
def test_controls_bracket_biological_conservation(scores: pd.DataFrame, dataset: str, access: str) -> None:
    rows = scores[
        (scores.dataset == dataset)
        & (scores.access == access)
        & (scores.metric == "bio_conservation")
        & (scores.unit == "set")
        & (scores.geometry == "as_is")
    ]
    value = rows.groupby("model").value.mean()
    assert value.idxmax() == "oracle"
    for control in ("noise", "batch_only"):
        assert value[control] < value["pca"], f"{control} {value[control]} against pca {value['pca']}"


def test_the_two_accesses_are_apart(scores: pd.DataFrame) -> None:
    access = scores.groupby("model").access.agg(set)
    assert access["harmony"] == {"transductive"}
    assert access["geneformer@demo"] == {"inductive"}
    assert access["pca"] == {"inductive", "transductive"}


def test_beside_the_page(demo: Path, scores: pd.DataFrame) -> None:
    folder = demo / "results/leaderboards/demo"
    assert len(pd.read_csv(folder / "scores.csv")) == len(scores)
    page = (folder / "index.html").read_text(encoding="utf-8")
    for model in scores.model.unique():
        assert model in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert (folder / "provenance.json").stat().st_size > 100


def test_second_run_has_nothing_to_do(demo: Path) -> None:
    done = run(demo)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Nothing to be done" in done.stdout + done.stderr


def test_snakemake_makes_its_own_report(demo: Path) -> None:
    done = run(demo, "--", "--report", "report.html")
    assert done.returncode == 0, done.stderr[-3000:]
    report = (demo / "report.html").read_text(encoding="utf-8")
    for name in ("index.html", "scores.csv", "leaderboard.json"):
        assert name in report
    assert "Leaderboards" in report


def planned(demo: Path) -> dict[str, int]:
    """Jobs a dry run would start, by rule."""
    done = run(demo, "--", "--dry-run", "--quiet", "rules")
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        rule: int(count)
        for rule, count in re.findall(r"^(\w+)\s+(\d+)\s*$", done.stdout + done.stderr, re.M)
        if rule not in {"total", "all"}
    }


def test_one_lost_embedding_reruns_what_depends_on_it(demo: Path) -> None:
    path = demo / "results/embeddings/pbmc68k/pca/fit-train/seed-0/embedding.npy"
    kept = path.read_bytes()
    path.unlink()
    try:
        assert planned(demo) == {"embed": 1, "score": 1, "page": 1}
    finally:
        done = run(demo)
    assert done.returncode == 0, done.stderr[-3000:]
    assert path.read_bytes() == kept, "the same seed gives the same bytes"


@pytest.mark.parametrize(
    ("edited", "rules"),
    [
        ("metrics/roughness.py", {"score", "page"}),
        ("board/page.py", {"page"}),
        ("models/baselines.py", {"embed", "pretrain", "score", "page"}),
    ],
)
def test_an_edited_module_reruns_what_imports_it(demo: Path, edited: str, rules: set[str]) -> None:
    path = demo / edited
    kept = path.read_text(encoding="utf-8")
    first, rest = kept.split("\n", 1)
    assert first.startswith('"""')
    path.write_text(f"{first.replace('.', ', truly.', 1)}\n{rest}", encoding="utf-8")
    try:
        assert path.read_text(encoding="utf-8") != kept
        assert set(planned(demo)) == rules
    finally:
        path.write_text(kept, encoding="utf-8")
