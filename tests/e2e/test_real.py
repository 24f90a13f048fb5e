"""Real cells from outside the repository: a refused file, a single batch, few donors."""

import os
from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness import clone, run

pytestmark = pytest.mark.e2e

DATASETS = ["pancreas_baron_human", "pbmc3k_seurat", "oligodendroglioma_tirosh2016"]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    data = os.environ.get("SCLITMUS_DATA", "")
    if not Path(data, "pbmc3k_seurat.h5ad").is_file():
        pytest.skip("SKIPPED: no real data sets; set SCLITMUS_DATA to the folder that holds them")
    where = clone(tmp_path_factory.mktemp("real"))
    study = yaml.safe_load((where / "studies/real.yaml").read_text(encoding="utf-8"))
    study |= {"datasets": DATASETS, "models": ["noise", "oracle", "batch_only", "hvg", "pca", "harmony"]}
    study |= {"baselines": ["hvg", "pca", "harmony"]}
    (where / "real.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    done = run(where, "--config", "study=real.yaml", f"data={data}")
    assert done.returncode == 1, "a refused data set makes the run end non-zero, after the page"
    assert "oligodendroglioma_tirosh2016" in done.stdout + done.stderr
    page = (where / "results/leaderboards/real/index.html").read_text(encoding="utf-8")
    assert "oligodendroglioma_tirosh2016" in page
    return pd.read_parquet(where / "results/leaderboards/real/scores.parquet")


def test_what_is_no_counts_is_refused_and_the_rest_goes_on(scores: pd.DataFrame) -> None:
    refused = scores[scores.dataset == "oligodendroglioma_tirosh2016"]
    assert set(refused.status) == {"failed"}
    assert refused.reason.str.contains("integer").all()
    others = scores[scores.dataset != "oligodendroglioma_tirosh2016"]
    assert not (others.status == "failed").any()


def test_one_batch_has_no_batch_metrics(scores: pd.DataFrame) -> None:
    batch_metrics = scores.metric.isin(["ilisi", "kbet", "bras"])
    rows = scores[(scores.dataset == "pbmc3k_seurat") & (scores.access == "transductive") & batch_metrics]
    assert len(rows)
    assert set(rows.status) <= {"undefined", "not_applicable"}
    assert rows.reason.str.contains("batch").all()


def test_oracle_is_first(scores: pd.DataFrame) -> None:
    rows = scores[
        (scores.geometry == "as_is")
        & (scores.metric == "bio_conservation")
        & (scores.unit == "set")
        & (scores.status == "ok")
    ]
    for key, group in rows.groupby(["dataset", "access"]):
        assert group.groupby("model").value.mean().idxmax() == "oracle", key
