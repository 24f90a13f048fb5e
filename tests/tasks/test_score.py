"""``python -m tasks score`` as the workflow calls it, on folders that keep the contract."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import toy_ontology

from contract.cli import dispatch
from contract.files import write_json
from contract.outcome import Outcome
from metrics import silhouette_label
from tasks.__main__ import COMMANDS
from tasks.cells import Cells
from tasks.geometry import whiten
from tasks.rows import SCHEMA, table
from tasks.table import TASKS

STUDY = {
    "study": "mine",
    "title": "Mine",
    "datasets": ["toy"],
    "models": ["pca", "oracle", "noise", "harmony", "broken", "pca@corpus"],
    "seeds": 2,
    "tasks": ["integration", "annotation"],
    "reference": "pca",
    "primary": {
        "integration": {"metric": "silhouette_label", "margin": 0.02},
        "annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02},
    },
    "level": 0.95,
}
N_ROWS = sum(
    len(TASKS[name].metrics_of(readout))
    for name in STUDY["tasks"]
    for readout in TASKS[name].readouts or (None,)
)


@pytest.fixture(autouse=True)
def _toy_ontology(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.score.cell_ontology", toy_ontology)


def write_data(folder: Path, cells: Cells, *, status: str = "ok") -> Path:
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"cell": [f"c{i}" for i in range(len(cells))]})
    for name in ("label", "ontology_id", "batch", "unit", "part"):
        frame[name] = getattr(cells, name)
    frame.to_parquet(folder / "truth.parquet", index=False)
    np.save(folder / "reference.npy", cells.reference)
    Outcome(status=status, stage="prepare", reason="" if status == "ok" else "not counts").write(
        folder / "outcome.json"
    )
    return folder


def write_run(
    folder: Path, Z: np.ndarray | None, *, model: str, fit: str, seed: int = 0, **facts: object
) -> Path:
    folder = folder / model / f"fit-{fit}" / f"seed-{seed}"
    folder.mkdir(parents=True)
    outcome = facts.pop("outcome", Outcome(status="ok", stage="embed"))
    np.save(folder / "embedding.npy", np.zeros((0, 0), dtype=np.float32) if Z is None else Z)
    outcome.write(folder / "outcome.json")
    run = {"dataset": "toy", "model": model, "fit": fit, "seed": seed, "control": False, "checkpoint": None}
    run |= {"card": {"name": model, "saw": ["counts"]}, "options": {}, **facts}
    write_json(folder / "run.json", run)
    write_json(folder / "cost.json", {"seconds": {"embed": 1.0}})
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, cells: Cells, embeddings) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "mine.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    write_data(home / "data", cells)
    runs, blurred = home / "runs", embeddings["blurred"].astype(np.float32)
    write_run(runs, blurred, model="pca", fit="train")
    write_run(runs, blurred, model="pca", fit="all")
    write_run(runs, embeddings["oracle"], model="oracle", fit="none", control=True)
    write_run(runs, embeddings["noise"], model="noise", fit="none", seed=0, control=True)
    write_run(runs, embeddings["noise"][::-1], model="noise", fit="none", seed=1, control=True)
    write_run(runs, blurred, model="pca@corpus", fit="none", seed=1, checkpoint={"sha256": "0"})
    no = Outcome(status="not_applicable", stage="fit", reason="one batch")
    write_run(runs, None, model="harmony", fit="all", outcome=no)
    failed = Outcome(status="failed", stage="embed", reason="out of luck", log_tail="…")
    write_run(runs, None, model="broken", fit="train", outcome=failed)
    overlap = home / "corpora" / "corpus" / "overlap-toy.json"
    write_json(overlap, {"exposure": "none", "reason": "nothing shared"})
    return home


def folders(home: Path) -> list[Path]:
    return sorted(path.parent for path in (home / "runs").rglob("run.json"))


def score(
    home: Path,
    *,
    data: Path | None = None,
    dataset: str = "toy",
    runs=None,
    out: str = "toy",
    tasks: tuple[str, ...] = ("annotation", "integration"),
    jobs: int = 1,
) -> int:
    argv = ["score", "--study", home / "mine.yaml", "--dataset", dataset, "--data", data or home / "data"]
    argv += [
        "--jobs",
        str(jobs),
        "--tasks",
        *tasks,
        "--embeddings",
        *(runs or folders(home)),
        "--overlaps",
        home / "corpora/corpus/overlap-toy.json",
    ]
    argv += ["--cache", home / "cache", "--out", home / "scores" / f"{out}.parquet"]
    return dispatch("tasks", COMMANDS, about="", argv=[str(word) for word in argv])


@pytest.fixture(scope="module")
def rows(home: Path) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.score.cell_ontology", toy_ontology)
        assert score(home) == 0
    return pd.read_parquet(home / "scores" / "toy.parquet")


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


@pytest.mark.parametrize(
    ("Z", "told"),
    [
        (np.zeros((359, 4)), "has shape (359, 4), not one row for each of 360 cells"),
        (np.zeros((360, 0)), "has shape (360, 0)"),
        (np.full((360, 2), np.nan), "is not finite in 360 of 360 cells"),
        (np.full((360, 2), "a"), "holds <U1, not numbers"),
    ],
)
def test_arrays_that_are_no_embedding(home: Path, tmp_path: Path, Z: np.ndarray, told: str) -> None:
    assert score(home, runs=[write_run(tmp_path, Z, model="pca", fit="train")], out="bad") == 0
    found = pd.read_parquet(home / "scores" / "bad.parquet")
    assert set(found.status) == {"failed"}
    assert found.reason.str.startswith("score: embedding.npy ").all()
    assert found.reason.str.contains(told, regex=False).all()


def test_pickles_are_not_opened(home: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path, None, model="pca", fit="train")
    np.save(folder / "embedding.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert score(home, runs=[folder], out="pickle") == 0
    found = pd.read_parquet(home / "scores" / "pickle.parquet")
    assert set(found.status) == {"failed"}


MISTAKES = {
    "other data set": (
        lambda h, t: {"dataset": "toi"},
        "mine.yaml: datasets: found no 'toi'; did you mean 'toy'",
    ),
    "nothing prepared": (lambda h, t: {"data": t}, "outcome.json: found no such file"),
    "no embedding": (lambda h, t: {"runs": [t / "nothing"]}, "outcome.json: found no such file"),
    "embedding of another data set": (
        lambda h, t: {"runs": [write_run(t, None, model="pca", fit="all", dataset="toys")]},
        "--embeddings pca fit-all seed-0: found an embedding of 'toys'",
    ),
    "contestant of another study": (
        lambda h, t: {"runs": [write_run(t, None, model="pcaa", fit="all")]},
        "found no contestant of the study; did you mean 'pca'",
    ),
    "the same run twice": (lambda h, t: {"runs": folders(h)[:1] * 2}, "found two folders of this run"),
}


@pytest.mark.parametrize(("change", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_one_line(home: Path, tmp_path: Path, capsys, change, told: str) -> None:
    failed = Outcome(status="failed", stage="embed", reason="-")
    arguments = change(home, tmp_path)
    for folder in arguments.get("runs", []):
        if folder.is_relative_to(tmp_path) and folder.is_dir():
            failed.write(folder / "outcome.json")
    assert score(home, **arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line


def test_truth_and_reference_must_agree(home: Path, tmp_path: Path, cells: Cells, capsys) -> None:
    data = write_data(tmp_path / "data", cells)
    np.save(data / "reference.npy", cells.reference[:-1])
    assert score(home, data=data) == 2
    assert "reference.npy: found 359 rows; expected 360" in capsys.readouterr().err


def test_rows_must_have_all_columns() -> None:
    with pytest.raises(ValueError, match="study"):
        table([{name: None for name in SCHEMA.names if name != "study"}])


def test_list(capsys) -> None:
    assert dispatch("tasks", COMMANDS, about="", argv=["list"]) == 0
    said = capsys.readouterr().out
    assert "bio_conservation" in said
    assert TASKS["annotation"].question in said
