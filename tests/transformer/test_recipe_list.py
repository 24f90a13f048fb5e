"""``python -m models list``: what it says of recipes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import models
from models.transformer.recipe import load_recipe, recipe_names

ROOT = Path(models.__file__).parents[1]


def listed(*options):
    command = [sys.executable, "-m", "models", "list", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def everything():
    return json.loads(listed("--json"))


def test_json_tells_parts_parameters_and_cards(everything):
    recipes = {recipe["recipe"]: recipe for recipe in everything["recipes"]}
    assert sorted(recipes) == recipe_names()
    for name, recipe in recipes.items():
        assert list(recipe["parameters"]) == ["tiny", "small", "base", "published"]
        assert recipe["parameters"]["tiny"] < recipe["parameters"]["published"]
        assert recipe["ours"] == load_recipe(name).ours
    assert recipes["genecompass_style"]["parts"]["objectives"] == "0.2 gene + 0.8 value"
    assert recipes["scplantformer"]["parameters"]["published"] < 2_000_000
    cards = {row["name"]: row["card"] for row in everything["contestants"]}
    assert cards["scgpt@demo"]["pretrained_on"] == ["blood_sim", "pbmc68k"]
    assert "pretraining" not in cards["scgpt_random@demo"]["saw"]


def test_each_recipe_is_in_the_zoo_with_its_twin(everything):
    rows = {row["name"] for row in everything["contestants"]}
    study = (ROOT / "studies" / "zoo.yaml").read_text(encoding="utf-8")
    entered = re.findall(r"^  - (\w+@demo)$", study, re.MULTILINE)
    assert len(set(entered)) == len(entered)
    for name in recipe_names():
        assert {f"{name}@demo", f"{name}_random@demo"} <= set(entered) & rows


def test_the_table_counts_parameters_when_asked():
    (plain,) = re.findall(r"^cellfm .*", listed(), re.MULTILINE)
    (counted,) = re.findall(r"^cellfm .*", listed("--parameters"), re.MULTILINE)
    assert plain.split()[:2] == ["cellfm", "set"]
    assert plain.rstrip().endswith("layer -1")
    assert counted.rstrip().endswith("793.5 M")
