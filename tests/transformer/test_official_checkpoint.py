"""An official checkpoint by its path: made-up weights under published names, by ``adapter: command``."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from models.options import CommandOptions
from models.outside import Command

ROOT = Path(__file__).resolve().parents[2]
SHAPE = {
    "num_hidden_layers": 3,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}


@pytest.fixture(scope="module")
def official(tmp_path_factory, cells_of):
    """Folder, weights, tokens and medians; one gene of the cells is unknown, tokens are in no order."""
    rng, draw = np.random.default_rng(0), torch.Generator().manual_seed(0)
    genes = list(cells_of(1).var_names)[1:]
    tokens = dict(zip(genes, (rng.permutation(len(genes)) + 2).tolist(), strict=True))
    medians = dict(zip(genes, rng.uniform(0.5, 2.0, len(genes)).tolist(), strict=True))
    width, hidden, n = SHAPE["hidden_size"], SHAPE["intermediate_size"], len(genes) + 2

    def some(*shape):
        return torch.randn(shape, generator=draw) * 0.3

    front, weights = "bert.embeddings.", {}
    for name, rows in (("word", n), ("position", SHAPE["max_position_embeddings"]), ("token_type", 2)):
        weights[f"{front}{name}_embeddings.weight"] = some(rows, width)
    shapes = {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "intermediate.dense": (hidden, width),
        "output.dense": (width, hidden),
    }
    norms = [f"{front}LayerNorm"]
    for i in range(SHAPE["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{i}."
        for name, shape in shapes.items():
            weights |= {f"{layer}{name}.weight": some(*shape), f"{layer}{name}.bias": some(shape[0])}
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name in norms:
        weights |= {f"{name}.weight": 1 + some(width), f"{name}.bias": some(width)}
    weights["cls.predictions.bias"] = some(n)
    folder = tmp_path_factory.mktemp("official")
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SHAPE))
    (folder / "genes.json").write_text(json.dumps({"tokens": tokens, "medians": medians}))
    return folder, weights, tokens, medians


def by_hand(counts, genes, weights, tokens, medians):
    """Geneformer V1 for one cell, written down once more: ranks, BERT, mean of the last layer but one."""
    score = {g: c / medians[g] for g, c in zip(genes, counts, strict=True) if c > 0 and g in tokens}
    ids = [tokens[g] for g in sorted(score, key=lambda g: (-score[g], g))][: SHAPE["max_position_embeddings"]]

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    tables = [
        weights[f"bert.embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    ]
    x = norm(tables[0][ids] + tables[1][: len(ids)] + tables[2][0], "bert.embeddings.LayerNorm")
    for i in range(SHAPE["num_hidden_layers"] - 1):
        layer, heads = f"bert.encoder.layer.{i}.", SHAPE["num_attention_heads"]
        q, k, v = (
            linear(x, f"{layer}attention.self.{name}").view(len(ids), heads, -1).transpose(0, 1)
            for name in ("query", "key", "value")
        )
        seen = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        seen = linear(seen.transpose(0, 1).reshape(len(ids), -1), f"{layer}attention.output.dense")
        x = norm(x + seen, f"{layer}attention.output.LayerNorm")
        wide = F.relu(linear(x, f"{layer}intermediate.dense"))
        x = norm(x + linear(wide, f"{layer}output.dense"), f"{layer}output.LayerNorm")
    return x.mean(0).numpy()


def test_an_official_checkpoint_embeds_as_published(official, cells_of):
    folder, *published = official
    cells = cells_of(12)
    program = str(ROOT / "docs/examples/geneformer_checkpoint.py")
    options = CommandOptions(
        command=(sys.executable, program, "{cells}", "{out}", "--checkpoint", str(folder)),
        env=("env", f"PYTHONPATH={ROOT}", "OMP_NUM_THREADS=1"),
    )
    found = Command(options, seed=0).embed(cells)
    expected = [by_hand(row, cells.var_names, *published) for row in cells.X.toarray()]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)
