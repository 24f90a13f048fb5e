import json

import pytest
import torch

from models.transformer import checkpoint
from models.transformer.errors import CheckpointError


@pytest.fixture
def saved(programmes, corpus_of, small_design, tmp_path):
    design = small_design()
    vocabulary = corpus_of(programmes(60)[0], design).tokenise.vocabulary
    torch.manual_seed(0)
    network = checkpoint.build(design, vocabulary=len(vocabulary), specials=2)
    whole = checkpoint.Checkpoint(
        design=design, vocabulary=vocabulary, network=network, curve=[{"step": 0, "loss": None}]
    )
    checkpoint.save(tmp_path / "state", whole)
    return tmp_path / "state", whole


def test_what_is_read_is_what_was_written(saved):
    folder, whole = saved
    found = checkpoint.load(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "curve.json",
        "vocabulary.json",
        "weights.safetensors",
    ]
    assert found.design == whole.design
    assert found.curve == whole.curve
    assert found.vocabulary.genes == whole.vocabulary.genes
    assert (found.vocabulary.medians == whole.vocabulary.medians).all()
    weights = whole.network.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in found.network.state_dict().items())
    assert found.network.encoder.embed.genes.table.weight.device.type == "cpu"


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    folder, _ = saved
    checkpoint.save(tmp_path / "again", checkpoint.load(folder))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def retensor(folder, change):
    tensors, _ = checkpoint.read_tensors(folder / "weights.safetensors")
    change(tensors)
    checkpoint.write_tensors(folder / "weights.safetensors", tensors, metadata={})


BIAS = "heads.gene.bias"
DAMAGE = {
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors"),
    "half the weights": (
        lambda f: (f / "weights.safetensors").write_bytes((f / "weights.safetensors").read_bytes()[:999]),
        "cannot be read",
    ),
    "pickled weights": (lambda f: torch.save({}, f / "weights.safetensors"), "cannot be read"),
    "missing tensor": (
        lambda f: retensor(f, lambda t: t.pop("heads.gene.bias")),
        "missing tensor 'heads.gene.bias'",
    ),
    "unknown tensor": (lambda f: retensor(f, lambda t: t.update(x=torch.ones(1))), "unknown tensor 'x'"),
    "wrong shape": (
        lambda f: retensor(f, lambda t: t.update({BIAS: torch.ones(3)})),
        r"'heads.gene.bias' is .*\(3,\)",
    ),
    "wrong type": (lambda f: retensor(f, lambda t: t.update({BIAS: t[BIAS].double()})), "float64"),
    "nan": (lambda f: retensor(f, lambda t: t[BIAS].fill_(float("nan"))), "NaN"),
    "other width": (lambda f: edit(f / "config.json", lambda v: v["size"].update(width=32)), "config.json"),
    "unknown key": (lambda f: edit(f / "config.json", lambda v: v.update(color=1)), "color"),
    "fewer genes": (lambda f: edit(f / "vocabulary.json", lambda v: v["genes"].pop()), "median"),
    "no medians": (lambda f: edit(f / "vocabulary.json", lambda v: v.pop("medians")), "medians"),
    "broken json": (lambda f: (f / "curve.json").write_text("["), "curve.json"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_line(saved, name):
    folder, _ = saved
    damage, message = DAMAGE[name]
    damage(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        checkpoint.load(folder)
    assert "\n" not in str(caught.value)
