import ast
import sys
from pathlib import Path

import pytest
import yaml

import models.transformer
from models.transformer.errors import RecipeError
from models.transformer.recipe import design_from, load_recipe, read_recipe, recipe_names

ROOM = Path(models.transformer.__file__).parent


def test_every_recipe_has_the_four_sizes_and_survives_json():
    assert "geneformer" in recipe_names()
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert list(recipe.sizes) == ["tiny", "small", "base", "published"]
        for size in recipe.sizes:
            design = recipe.design(size)
            assert design_from(design.to_dict(), where="x") == design


def test_geneformer_has_the_published_numbers():
    design = load_recipe("geneformer").design("published")
    size, backbone = design.size, design.backbone
    assert (size.layers, size.width, size.heads, size.hidden, size.length) == (6, 256, 4, 512, 2048)
    assert (backbone.norm, backbone.feed, backbone.eps, backbone.init_std) == (
        "post",
        "relu",
        1e-12,
        0.02,
    )
    assert (size.training.dropout, size.training.rate, size.training.decay) == (0.02, 1e-3, 1e-3)
    assert (design.masking.ratios, design.pooler.kind, design.pooler.layer) == ((0.15,), "mean", -2)


MISTAKES = {
    "unknown key": (lambda r: r.update(valeu=1), "unknown key 'valeu'; did you mean 'value'"),
    "missing part": (lambda r: r.pop("pooler"), "no 'pooler'"),
    "unknown choice": (lambda r: r["tokeniser"].update(norm="median"), "gene_median"),
    "text for a number": (lambda r: r["sizes"]["tiny"].update(width="64"), "sizes: tiny: width"),
    "truth for a number": (lambda r: r["sizes"]["tiny"].update(layers=True), "layers"),
    "fraction for a whole": (lambda r: r["sizes"]["tiny"].update(layers=1.5), "layers"),
    "a list for a part": (lambda r: r.update(backbone=[]), "backbone"),
    "width and heads": (lambda r: r["sizes"]["small"].update(heads=3), "sizes.small: width"),
    "no way to the texts": (
        lambda r: r["objectives"].append({"kind": "clip"}),
        "clip and pooler.project shared",
    ),
    "no token to ask": (
        lambda r: (
            r["objectives"].extend([{"kind": "text"}, {"kind": "match"}]),
            r["pooler"].update(layer=-1),
            [size.update(head_width=8) for size in r["sizes"].values()],
        ),
        "match needs tokens of genes",
    ),
    "cls without a token": (lambda r: r["pooler"].update(kind="cls"), "prefix"),
    "layer outside": (lambda r: r["pooler"].update(layer=-9), "outside the network"),
    "ratio": (lambda r: r["masking"].update(ratios=[1.5]), "ratios"),
    "unknown kind": (
        lambda r: r["tokeniser"].update(kind="ranks"),
        "tokeniser: kind: found 'ranks'; did you mean 'rank'",
    ),
    "no kind": (lambda r: r["tokeniser"].pop("kind"), "tokeniser: no 'kind'"),
    "a leak": (lambda r: r.update(objectives=[{"kind": "next_gene"}]), "or the target leaks"),
    "value without scale": (lambda r: r.update(value={"kind": "table"}), "needs a scale of bins"),
    "twice": (lambda r: r.update(objectives=2 * r["objectives"]), "stands twice"),
    "nothing to guess": (lambda r: r.pop("masking"), "needs masking that hides the gene"),
    "no room": (lambda r: r["sizes"]["tiny"].update(length=0), "no room"),
    "rate": (lambda r: r["sizes"]["tiny"]["training"].update(rate=0), "above 0"),
    "dropout": (lambda r: r["sizes"]["tiny"]["training"].update(dropout=1.0), "dropout"),
    "warmup": (lambda r: r["sizes"]["tiny"]["training"].update(warmup=2), "warmup"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_file_and_field(tmp_path, name):
    value = yaml.safe_load((ROOM / "recipes" / "geneformer.yaml").read_text())
    change, message = MISTAKES[name]
    change(value)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(value))
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'geneformer'"):
        load_recipe("genformer")
    with pytest.raises(RecipeError, match="known: tiny, small"):
        load_recipe("geneformer").design("huge")
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(RecipeError, match="not YAML"):
        read_recipe(tmp_path / "x.yaml")


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_the_engine_runs_on_a_bare_machine(path):
    allowed = set(sys.stdlib_module_names) | {"torch", "numpy", "safetensors", "yaml"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in allowed or name.startswith("models.transformer"), name
    assert len(path.read_text().splitlines()) <= 300
