"""``python -m tasks score`` as the workflow calls it, on folders that keep the contract."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scored import N_ROWS, folders, score, write_data, write_run

from contract.cli import dispatch
from contract.outcome import Outcome
from metrics import silhouette_label
from tasks.__main__ import COMMANDS
from tasks.cells import Cells
from tasks.geometry import whiten
from tasks.rows import SCHEMA, table
from tasks.table import TASKS

pytestmark = pytest.mark.usefixtures("toy_terms")


def test_columns_and_types(home: Path, rows: pd.DataFrame) -> None:
    schema = pq.read_schema(home / "scores" / "toy.parquet")
    assert schema.names == SCHEMA.names == list(rows.columns)
    assert schema.types == SCHEMA.types
    assert len(schema.names) == 21


def test_an_embedding_after_fine_tuning_is_marked_and_measured_on_held_out_donors(
    home: Path, rows: pd.DataFrame, cells: Cells, embeddings, tmp_path: Path
) -> None:
    """Nonsense in the place of the training cells, whose labels were learned, changes no value."""
    Z = np.where((cells.part == "test")[:, None], embeddings["blurred"], 9.0 * embeddings["noise"])
    options = {"finetune": "lora"}
    folder = write_run(tmp_path, Z.astype(np.float32), model="pca", fit="train", options=options)
    assert score(home, runs=[folder], out="tuned", tasks=("integration",)) == 0
    found = pd.read_parquet(home / "scores" / "tuned.parquet")
    assert set(found.adaptation) == {"fine_tuned"}
    assert set(found.access) == {"inductive"}
    found, plain = (
        table[(table.task == "integration") & (table.geometry == "as_is") & (table.model == "pca")]
        for table in (found, rows[rows.access == "inductive"])
    )
    assert set(plain.adaptation) == {"fitted"}
    values = [part.set_index(["metric", "unit"])[["value", "n"]].sort_index() for part in (found, plain)]
    pd.testing.assert_frame_equal(*values)
    assert found[found.metric == "silhouette_label"].n.max() == (cells.part == "test").sum()


def test_no_null_without_a_reason(rows: pd.DataFrame) -> None:
    assert (rows.value.notna() == (rows.status == "ok")).all()
    assert rows[rows.status != "ok"].reason.str.len().gt(0).all()


def test_nothing_is_silently_absent(rows: pd.DataFrame) -> None:
    """Every run has each metric of each task and readout, in each access it stands in."""
    whole = rows[(rows.unit == "set") & (rows.geometry == "as_is")]
    counts = whole.groupby(
        ["model", "access", whole.pretrain_seed.fillna(-1), whole.fit_seed.fillna(-1)]
    ).size()
    assert set(counts) == {N_ROWS}
    assert len(counts) == 2 + 2 + 2 * 2 + 1 + 1 + 1


def test_a_row_is_told_apart_from_all_others(rows: pd.DataFrame) -> None:
    key = ["dataset", "model", "readout", "access", "geometry"]
    key += ["pretrain_seed", "fit_seed", "task", "metric", "unit"]
    assert not rows.duplicated(key).any()


def test_access(rows: pd.DataFrame) -> None:
    access = rows.groupby("model").access.agg(set)
    both = {"inductive", "transductive"}
    assert access["pca"] == access["oracle"] == access["noise"] == both
    assert access["harmony"] == {"transductive"}
    assert access["pca@corpus"] == access["broken"] == {"inductive"}
    n = rows[(rows.metric == "silhouette_label") & (rows.unit == "set") & (rows.model == "oracle")]
    n = n[n.geometry == "as_is"]
    assert n.set_index("access").n.to_dict() == {"inductive": 120, "transductive": 360}


def test_adaptation_and_seeds(rows: pd.DataFrame) -> None:
    first = rows.groupby("model").first()
    assert first.adaptation.to_dict() == {
        **dict.fromkeys(["pca", "harmony", "broken"], "fitted"),
        **dict.fromkeys(["oracle", "noise", "pca@corpus"], "none"),
    }
    trained = rows[rows.model == "pca@corpus"]
    assert set(trained.pretrain_seed) == {1}
    assert trained.fit_seed.isna().all()
    assert set(trained.checkpoint) == {"pca@corpus/seed-1"}
    assert set(rows[rows.model == "noise"].fit_seed) == {0, 1}
    assert rows[rows.model != "pca@corpus"][["checkpoint", "pretrain_seed"]].isna().all(axis=None)


def test_readouts(rows: pd.DataFrame) -> None:
    readouts = rows.groupby("task").readout.agg(set)
    assert readouts["integration"] == {"none"}
    assert readouts["annotation"] == {"knn", "logistic"}


def test_only_the_primary_metric_has_a_jackknife(rows: pd.DataFrame) -> None:
    without = rows[rows.unit.str.startswith("without:")]
    assert set(without.metric) == {"silhouette_label"}
    assert set(without[without.access == "inductive"].unit) == {"without:donor:d4", "without:donor:d5"}
    assert len(set(without[without.access == "transductive"].unit)) == 6


def test_only_the_primary_metrics_are_measured_whitened_too(rows: pd.DataFrame, cells, embeddings) -> None:
    second = rows[rows.geometry == "whitened"]
    primary = {("silhouette_label", "none"), ("balanced_accuracy", "logistic")}
    assert set(zip(second.metric, second.readout, strict=True)) == primary
    key = ["model", "access", "pretrain_seed", "fit_seed", "metric", "unit", "n"]
    of_these = pd.Series([pair in primary for pair in zip(rows.metric, rows.readout, strict=True)])
    others = ["harmony", "broken", "oracle", "noise"]  # nothing to whiten; controls, which get no verdict
    first = rows[of_these & (rows.geometry == "as_is") & ~rows.model.isin(others)]
    assert first[key].reset_index(drop=True).equals(second[key].reset_index(drop=True))
    chosen = second[(second.model == "pca") & (second.unit == "set") & (second.access == "transductive")]
    Z = whiten(embeddings["blurred"].astype(np.float32), fit=cells.part == "train")
    value = silhouette_label(Z, cells.label.astype(str))
    assert chosen.set_index("metric").value["silhouette_label"] == pytest.approx(value)


def test_a_constant_embedding_is_undefined_whitened(home: Path, tmp_path: Path) -> None:
    assert score(home, runs=[write_run(tmp_path, np.ones((360, 3)), model="pca", fit="all")], out="flat") == 0
    found = pd.read_parquet(home / "scores" / "flat.parquet")
    flat = found[found.geometry == "whitened"]
    assert list(flat.status) == ["undefined"] * 2
    assert flat.reason.str.contains("lie at one place").all()


def test_a_task_that_the_data_set_does_not_list_is_not_applicable(home: Path, rows: pd.DataFrame) -> None:
    assert score(home, out="one_task", tasks=("integration",)) == 0
    found = pd.read_parquet(home / "scores" / "one_task.parquet")
    annotation = found[(found.task == "annotation") & (found.model == "pca")]
    assert set(annotation.status) == {"not_applicable"}
    assert annotation.reason.str.contains("does not list this task").all()
    kept = found[found.task == "integration"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, rows[rows.task == "integration"].reset_index(drop=True))


@pytest.mark.parametrize(
    ("model", "status", "reason"),
    [("harmony", "not_applicable", "fit: one batch"), ("broken", "failed", "embed: out of luck")],
)
def test_runs_without_an_embedding_say_why(rows: pd.DataFrame, model: str, status: str, reason: str) -> None:
    own = rows[rows.model == model]
    assert set(own.status) == {status}
    assert set(own.reason) == {reason}
    assert set(own.unit) == {"set"}
    assert own.n.isna().all()


def test_oracle_above_pca_above_noise(rows: pd.DataFrame) -> None:
    chosen = rows[(rows.unit == "set") & (rows.access == "transductive") & (rows.geometry == "as_is")]
    for metric, readout in (("bio_conservation", "none"), ("balanced_accuracy", "logistic")):
        value = chosen[(chosen.metric == metric) & (chosen.readout == readout)].groupby("model").value.mean()
        assert value["oracle"] > value["pca"] > value["noise"]


def test_records(home: Path, rows: pd.DataFrame) -> None:
    records = json.loads((home / "scores" / "toy.runs.json").read_text(encoding="utf-8"))
    assert len(records) == len(folders(home))
    by_model = {record["model"]: record for record in records}
    assert by_model["pca@corpus"]["overlap"] == {"exposure": "none", "reason": "nothing shared"}
    assert by_model["pca"]["overlap"] is None
    assert by_model["broken"]["outcome"]["log_tail"] == "…"
    assert by_model["oracle"]["access"] == ["inductive", "transductive"]
    assert by_model["pca"]["cost"] == {"seconds": {"embed": 1.0}}


def test_same_bytes_again_whatever_the_order(home: Path, rows: pd.DataFrame, capsys) -> None:
    assert score(home, runs=folders(home)[::-1], out="again", jobs=2) == 0
    for suffix in (".parquet", ".runs.json"):
        first, again = ((home / "scores" / f"{name}{suffix}").read_bytes() for name in ("toy", "again"))
        assert first == again
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(folders(home))
    assert said[-1].startswith(f"[{len(said)}/{len(said)}] broken fit-train seed-0: 0 of {N_ROWS} values")


def test_a_data_set_that_could_not_be_prepared(home: Path, tmp_path: Path, cells: Cells) -> None:
    data = write_data(tmp_path / "data", cells.take(np.zeros(len(cells), dtype=bool)), status="failed")
    outcome = Outcome(status="failed", stage="prepare", reason="not counts")
    runs = [write_run(tmp_path, None, model=m, fit="train", outcome=outcome) for m in ("pca", "broken")]
    assert score(home, data=data, runs=runs, out="refused") == 0
    found = pd.read_parquet(home / "scores" / "refused.parquet")
    assert len(found) == 2 * N_ROWS
    assert set(found.reason) == {"prepare: not counts"}
    assert found.value.isna().all()


def test_rows_must_have_all_columns() -> None:
    with pytest.raises(ValueError, match="study"):
        table([{name: None for name in SCHEMA.names if name != "study"}])


def test_list(capsys) -> None:
    assert dispatch("tasks", COMMANDS, about="", argv=["list"]) == 0
    said = capsys.readouterr().out
    assert "bio_conservation" in said
    assert TASKS["annotation"].question in said
