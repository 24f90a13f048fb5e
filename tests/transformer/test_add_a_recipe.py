"""What docs/add_a_recipe.md says works as it stands there."""

import re
from pathlib import Path

import numpy as np
import torch
import yaml

import models.transformer
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.transformer import recipe

DOC = Path(models.transformer.__file__).parents[2] / "docs" / "add_a_recipe.md"


def test_the_example_is_one_file_and_trains(tmp_path, monkeypatch, cells_of):
    text, entries = re.findall(r"```yaml\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "bins_and_contrast.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(recipe, "FOLDER", tmp_path)
    assert recipe.recipe_names() == ["bins_and_contrast"]
    entry, twin = yaml.safe_load(entries).values()
    assert {entry["recipe"], twin["recipe"]} == {"bins_and_contrast"}
    options = RecipeOptions(recipe=entry["recipe"], size=entry["size"], budget_cells=320)
    model = Pretrained(options).fit(cells_of(120), seed=0)
    curve = model._checkpoint.curve
    assert curve[-1]["validation"] < curve[0]["validation"]
    assert set(curve[-1]["parts"]) == {"value", "contrast"}
    found = model.embed(cells_of(30, seed=1))
    assert found.shape == (30, 64)
    assert np.isfinite(found).all()
    assert torch.is_tensor(model._checkpoint.network.heads["value"].layers[0].weight)


def test_every_recipe_stands_in_the_table_of_models() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOC.parent / "models.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == recipe.recipe_names()
