"""models.yaml: what is in ours, and every mistake in one line."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, call

from contract.errors import UserError
from models.catalogue import find_contestant, read_models
from models.registry import ADAPTERS

CARD = {"source": "doi", "revision": "v1", "license": "MIT", "pretrained_on": None, "saw": ["counts"]}
CORPORA = {"demo": {"datasets": {"blood_sim": "train"}}}


def write(tmp_path: Path, models: dict, corpora: dict | None = None) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"corpora": CORPORA if corpora is None else corpora, "models": models}))
    return path


def test_our_catalogue() -> None:
    catalogue = read_models(ROOT / "models.yaml")
    entries = catalogue.contestants
    controls = {name for name, entry in entries.items() if entry.control}
    assert controls == {name for name, adapter in ADAPTERS.items() if adapter.control}
    assert {name for name in controls if entries[name].needs_truth} == {"oracle", "ontology_oracle"}
    assert entries["pca"].fits == entries["scvi"].fits == ("train", "all")
    assert entries["harmony"].fits == ("all",)
    assert not entries["pca"].stochastic
    for corpus in ("demo", "blood"):
        rivals = [entries[f"{name}@{corpus}"] for name in ("pca", "scvi", "geneformer", "geneformer_random")]
        assert {rival.corpus for rival in rivals} == {corpus}
        assert {rival.fits for rival in rivals} == {("none",)}
        members = set(catalogue.corpora[corpus].datasets)
        assert all(set(rival.card.pretrained_on) == members for rival in rivals)
        assert "pretraining" not in rivals[3].card.saw
        assert rivals[3].options["init"] == "random"
    for entry in entries.values():
        assert ("truth" in entry.card.saw) == entry.needs_truth


MISTAKES = {
    "unknown key": (
        {"pca": {"adapter": "pca", "optoins": {}}},
        "pca: found unknown key 'optoins'; did you mean",
    ),
    "unknown adapter": ({"pca": {"adapter": "pcs"}}, "adapter: found 'pcs'; did you mean 'pca'"),
    "no adapter": ({"pca": {"options": {}}}, "neither 'adapter' nor 'recipe'"),
    "unknown option": ({"pca": {"adapter": "pca", "options": {"component": 3}}}, "did you mean 'components'"),
    "type of option": (
        {"pca": {"adapter": "pca", "options": {"components": "50"}}},
        "expected a whole number",
    ),
    "a truth value is no number": (
        {"pca": {"adapter": "pca", "options": {"components": True}}},
        "expected a whole number",
    ),
    "range of option": ({"pca": {"adapter": "pca", "options": {"components": 0}}}, "expected 1 to 1000"),
    "choice of option": (
        {"scvi": {"adapter": "scvi", "options": {"likelihood": "normal"}}},
        "one of nb, zinb, poisson",
    ),
    "bad id": ({"My-Model": {"adapter": "pca"}}, "id: found 'My-Model'"),
    "id as long as a path": ({"m" * 200: {"adapter": "pca"}}, "at most 128 characters"),
    "no time": ({"pca": {"adapter": "pca", "timeout": float("inf")}}, "timeout: found inf"),
    "tolerance is no number": (
        {"mine": {"adapter": "my.mod:Mine", "card": CARD | {"equivariance_tolerance": float("nan")}}},
        "equivariance_tolerance: found nan",
    ),
    "id is a number": ({7: {"adapter": "pca"}}, "put it in quotes"),
    "corpus not in name": ({"pca": {"adapter": "pca", "corpus": "demo"}}, "expected 'pca@demo'"),
    "other corpus in name": ({"pca@blood": {"adapter": "pca", "corpus": "demo"}}, "expected 'pca@demo'"),
    "name without corpus": ({"pca@demo": {"adapter": "pca"}}, "add 'corpus: …'"),
    "unknown corpus": ({"pca@dem": {"adapter": "pca", "corpus": "dem"}}, "did you mean 'demo'"),
    "cannot be trained": (
        {"noise@demo": {"adapter": "noise", "corpus": "demo"}},
        "can be trained on a corpus",
    ),
    "recipe without corpus": ({"g": {"recipe": "geneformer", "size": "tiny"}}, "no 'corpus'"),
    "recipe without size": ({"g@demo": {"recipe": "geneformer", "corpus": "demo"}}, "no 'size'"),
    "unknown recipe": ({"g@demo": {"recipe": "genformer", "size": "tiny", "corpus": "demo"}}, "'geneformer'"),
    "unknown size": ({"g@demo": {"recipe": "geneformer", "size": "tny", "corpus": "demo"}}, "mean 'tiny'"),
    "two adapters": ({"g": {"recipe": "geneformer", "adapter": "pca"}}, "leave out one of the two"),
    "impossible fit": (
        {"h": {"adapter": "harmony", "fits": ["train"]}},
        "fits: found 'train'; expected some of all",
    ),
    "fit with a corpus": ({"pca@demo": {"adapter": "pca", "corpus": "demo", "fits": ["all"]}}, "found 'all'"),
    "no card": ({"mine": {"adapter": "my.mod:Mine"}}, "no 'card'"),
    "card without licence": (
        {"mine": {"adapter": "my.mod:Mine", "card": {k: v for k, v in CARD.items() if k != "license"}}},
        "card: found no 'license'",
    ),
    "revision is a number": (
        {"mine": {"adapter": "my.mod:Mine", "card": CARD | {"revision": 2}}},
        "card.revision: found 2 (a number); expected string",
    ),
    "unknown flag": ({"mine": {"adapter": "my.mod:Mine", "card": CARD | {"saw": ["labels"]}}}, "card.saw.0"),
    "card of ours": ({"pca": {"adapter": "pca", "card": CARD}}, "leave it out, the adapter has one"),
    "stochastic of ours": ({"pca": {"adapter": "pca", "stochastic": True}}, "the adapter knows"),
    "command as text": ({"c": {"adapter": "command", "command": "python x", "card": CARD}}, "expected array"),
    "command without out": ({"c": {"adapter": "command", "command": ["x"], "card": CARD}}, "no {out}"),
    "file without path": ({"f": {"adapter": "file", "card": CARD}}, "no 'path'"),
    "path beside pca": ({"f": {"adapter": "pca", "path": "x.npy"}}, "path: found beside adapter 'pca'"),
    "negative timeout": ({"pca": {"adapter": "pca", "timeout": -1}}, "timeout: found -1"),
    "no entries": ({}, "models: found {}"),
}


@pytest.mark.parametrize(("models", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, models: dict, told: str) -> None:
    path = write(tmp_path, models)
    with pytest.raises(UserError) as error:
        read_models(path)
    assert told in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("corpora", "told"),
    [
        ({"demo": {"datasets": {"a": "test"}}}, "corpora.demo: datasets.a: found 'test'"),
        ({"demo": {"datasets": {}}}, "corpora.demo"),
        ({"Demo": {"datasets": {"a": "all"}}}, "small letters"),
        ({"demo": {"dataset": {"a": "all"}}}, "did you mean 'datasets'"),
    ],
)
def test_a_mistake_in_a_corpus(tmp_path: Path, corpora: dict, told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        read_models(write(tmp_path, {"pca": {"adapter": "pca"}}, corpora))


def test_unknown_model_and_top_level_key(tmp_path: Path) -> None:
    path = write(tmp_path, {"pca": {"adapter": "pca"}})
    with pytest.raises(UserError, match="did you mean 'pca'"):
        find_contestant(path, "pcaa")
    path.write_text("model: {}\n")
    with pytest.raises(UserError, match="did you mean 'models'"):
        read_models(path)


def test_one_entry_is_what_it_is_among_all() -> None:
    """What it starts from included, where it is fine-tuned or reads less of a cell."""
    path = Path(__file__).parents[2] / "models.yaml"
    entries = read_models(path).contestants
    for name in ("pca", "pca@blood", "geneformer_lora@blood", "geneformer_8000_8tokens@demo", "scgpt@demo"):
        assert find_contestant(path, name)[0] == entries[name]


def test_outside_entries(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "mine": {"adapter": "my.mod:Mine", "options": {"width": 3}, "stochastic": True, "card": CARD},
            "theirs": {"adapter": "command", "command": ["run", "{out}"], "env": ["conda"], "card": CARD},
            "paper": {"adapter": "file", "path": "sub/{dataset}.npy", "fits": ["all"], "card": CARD},
        },
    )
    entries = read_models(path).contestants
    assert entries["mine"].options == {"width": 3}
    assert entries["mine"].stochastic
    assert entries["mine"].card.pretrained_on is None
    assert entries["theirs"].options == {"command": ("run", "{out}"), "env": ("conda",)}
    assert entries["paper"].options["path"] == str(tmp_path / "sub/{dataset}.npy")
    assert entries["paper"].fits == ("all",)


def test_an_entry_has_one_text() -> None:
    """Hash order of sets must not reach the text that tells Snakemake what changed."""
    code = (
        "import json, dataclasses; from models.catalogue import read_models;"
        "e = read_models('models.yaml').contestants;"
        "print(json.dumps({k: dataclasses.asdict(v) for k, v in e.items()}))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1
    assert json.loads(texts.pop())["pca@demo"]["corpus"] == "demo"


def test_listing_is_light() -> None:
    heavy = ("numpy", "torch", "scanpy", "anndata", "pandas", "scipy")
    code = (
        "import sys; from models.__main__ import COMMANDS; from contract.cli import dispatch;"
        "import models.embed, models.pretrain; dispatch('models', COMMANDS, about='', argv=['list']);"
        f"sys.exit(str(set({heavy!r}) & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert re.search(r"^pca@demo +pca +demo +none +no +counts, pretraining", done.stdout, re.M)


def test_list_of_a_broken_file_is_one_line(tmp_path: Path) -> None:
    done = call("list", "--models", write(tmp_path, {"pca": {"adapter": "pcs"}}))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")


def test_contestants_are_frozen() -> None:
    entry = read_models(ROOT / "models.yaml").contestants["pca"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.corpus = "demo"
