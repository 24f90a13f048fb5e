"""Study files: what a mistake in one looks like, and what a good one means."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contract.errors import UserError
from tasks.study import read_study
from tasks.table import TASKS

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "study": "mine",
    "title": "Mine",
    "datasets": ["a", "b"],
    "models": ["pca", "scvi", "pca@demo"],
    "seeds": 3,
    "tasks": ["integration", "annotation"],
    "reference": "pca",
    "primary": {
        "integration": {"metric": "bio_conservation", "margin": 0.02},
        "annotation": {"metric": "balanced_accuracy", "readout": "logistic", "margin": 0.02},
    },
    "level": 0.95,
}


def write(folder: Path, entry: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(entry), encoding="utf-8")
    return path


def test_a_good_study(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, GOOD))
    assert study.id == "mine"
    assert study.seeds == (0, 1, 2)
    assert study.models == ("pca", "scvi", "pca@demo")
    assert study.primary["integration"].readout is None
    assert study.primary["annotation"].readout == "logistic"
    assert study.question == ""


@pytest.mark.parametrize("name", ["demo", "real"])
def test_shipped_studies(name: str) -> None:
    study = read_study(ROOT / "studies" / f"{name}.yaml")
    assert study.id == name
    assert study.reference == "pca"


def test_shipped_margins_are_the_usual_ones() -> None:
    study = read_study(ROOT / "studies" / "demo.yaml")
    assert study.primary == {name: TASKS[name].primary for name in study.tasks}


def primary(task: str, **change: object) -> dict:
    entry = {key: value for key, value in (GOOD["primary"][task] | change).items() if value is not None}
    return {"primary": GOOD["primary"] | {task: entry}}


MISTAKES = {
    "unknown key": ({"sedes": 3}, "unknown key 'sedes'; did you mean 'seeds'"),
    "bad id": ({"study": "My Study"}, "study: found 'My Study'"),
    "no seeds": ({"seeds": 0}, "seeds: found 0"),
    "seeds as text": ({"seeds": "two"}, "seeds: found 'two'"),
    "seeds with a point": ({"seeds": 2.0}, "seeds: found 2.0.*expected integer"),
    "seeds without end": ({"seeds": 10**9}, "seeds: found 1000000000.*at most 1000"),
    "id with a line break": ({"study": "mine\n"}, "study: found 'mine"),
    "id as long as a path": ({"study": "m" * 300}, "study: .*at most 64 characters"),
    "level of no number": ({"level": float("nan")}, "level: found nan"),
    "no data set": ({"datasets": []}, "datasets: found [].*at least 1"),
    "data set twice": ({"datasets": ["a", "a"]}, "each item once"),
    "bad model name": ({"models": ["pca", "PCA@Demo"]}, "models.1: found 'PCA@Demo'"),
    "unknown task": ({"tasks": ["integration", "annotate"]}, "tasks.1: found 'annotate'"),
    "reference elsewhere": ({"reference": "pcaa"}, "reference: found 'pcaa'.*did you mean 'pca'"),
    "level of certainty": ({"level": 1}, "level: found 1"),
    "task without primary": (
        {"primary": {"integration": GOOD["primary"]["integration"]}},
        "no primary metric for the task 'annotation'.*add 'annotation: {metric: balanced_accuracy",
    ),
    "primary without task": ({"tasks": ["integration"]}, "primary.annotation: found a primary metric"),
    "metric of another task": (
        primary("integration", metric="accuracy"),
        "primary.integration.metric: found 'accuracy'",
    ),
    "misspelt metric": (primary("annotation", metric="acuracy"), "did you mean 'accuracy'"),
    "no readout": (primary("annotation", readout=None), "primary.annotation: found no 'readout'"),
    "readout where none": (primary("integration", readout="knn"), "primary.integration.readout: found 'knn'"),
    "readout without the metric": (
        primary("annotation", metric="ece", readout="knn"),
        "primary.annotation.readout: found 'knn' for 'ece'",
    ),
    "no margin": (primary("integration", margin=None), "primary.integration: found no 'margin'"),
    "margin of nothing": (primary("integration", margin=0), "primary.integration.margin: found 0"),
}


@pytest.mark.parametrize(("change", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_one_line(tmp_path: Path, change: dict, told: str) -> None:
    path = write(tmp_path, GOOD | change)
    with pytest.raises(UserError, match=told.replace("[]", r"\[\]").replace("{", r"\{")) as caught:
        read_study(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("field", sorted(GOOD))
def test_every_field_is_needed(tmp_path: Path, field: str) -> None:
    with pytest.raises(UserError, match=f"found no '{field}'"):
        read_study(write(tmp_path, {key: value for key, value in GOOD.items() if key != field}))


def test_not_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected object"):
        read_study(write(tmp_path, ["demo"]))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_study(tmp_path / "nowhere.yaml")


def test_reading_a_study_loads_nothing_heavy() -> None:
    code = (
        "import sys, tasks.study, tasks.table;"
        "heavy = {'numpy', 'pandas', 'scipy', 'sklearn', 'scanpy', 'torch'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_baselines_and_family_are_declared(tmp_path: Path) -> None:
    plain = read_study(write(tmp_path, GOOD))
    assert plain.baselines == ("pca",)
    where = {"task": "annotation", "dataset": "a", "access": "inductive", "model": "scvi"}
    assert plain.family.holds(**where)
    said = {"baselines": ["pca", "scvi"], "family": {"access": ["inductive"], "models": ["scvi"]}}
    study = read_study(write(tmp_path, GOOD | said))
    assert study.baselines == ("pca", "scvi")
    assert study.family.holds(**where)
    assert not study.family.holds(**where | {"access": "transductive"})
    assert not study.family.holds(**where | {"model": "pca@demo"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"baselines": ["scvi"]}, "no 'pca', which is the reference"),
        ({"baselines": ["pca", "scv"]}, "'scv', which the study does not run; did you mean 'scvi'?"),
        ({"family": {"datasets": ["c"]}}, "family.datasets: found 'c'"),
        ({"family": {"models": ["pca"]}}, "which is the reference"),
        ({"family": {"seeds": [1]}}, "unknown key 'seeds'"),
        ({"family": {"access": ["both"]}}, "expected one of"),
    ],
)
def test_mistakes_in_baselines_and_family(tmp_path: Path, change, told) -> None:
    with pytest.raises(UserError) as error:
        read_study(write(tmp_path, GOOD | change))
    assert told in str(error.value)
    assert "\n" not in str(error.value)
