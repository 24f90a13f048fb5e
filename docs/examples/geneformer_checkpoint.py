"""Cells → embeddings of an official Geneformer V1 checkpoint on this disk, for ``adapter: command``.

``python docs/examples/geneformer_checkpoint.py CELLS.h5ad OUT.npy --checkpoint FOLDER``. The folder holds
``config.json`` and ``model.safetensors`` as published, and ``genes.json``: ``{"tokens": {id: token},
"medians": {id: median}}``, the two published dictionaries written as JSON, for nothing is unpickled here.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import anndata as ad
import numpy as np
import torch
from torch import Tensor

from models.reading import counts_of
from models.transformer.checkpoint import build, read_tensors
from models.transformer.data import Corpus
from models.transformer.infer import embed
from models.transformer.recipe import Design, load_recipe
from models.transformer.tokenise import tokeniser_of
from models.transformer.vocabulary import MASK, PAD, Vocabulary

BLOCK = {
    "mixer.out": "attention.output.dense",
    "norms.0": "attention.output.LayerNorm",
    "feed.up": "intermediate.dense",
    "feed.down": "output.dense",
    "norms.1": "output.LayerNorm",
}


def main() -> None:
    """Read, embed, write; rows in the order of the cells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True)
    args = parser.parse_args()
    tokens, medians = (
        json.loads((args.checkpoint / "genes.json").read_text())[k] for k in ("tokens", "medians")
    )
    genes = tuple(sorted(gene for gene in tokens if gene in medians))
    usual = np.array([medians[gene] for gene in genes])
    vocabulary = Vocabulary(specials=(PAD, MASK), genes=genes, medians=usual, means=usual)
    design = shaped(json.loads((args.checkpoint / "config.json").read_text()))
    network = build(design, vocabulary=len(vocabulary), specials=2)
    weights, _ = read_tensors(args.checkpoint / "model.safetensors")
    rows = torch.tensor([0, 1, *(tokens[gene] for gene in genes)])  # published tokens are in another order
    network.encoder.load_state_dict(renamed(weights, rows=rows, layers=design.size.layers))
    cells = ad.read_h5ad(args.cells)
    columns = vocabulary.tokens(list(cells.var_names))
    corpus = Corpus(counts=counts_of(cells), columns=columns, tokenise=tokeniser_of(design, vocabulary))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    np.save(args.out, embed(network.encoder, corpus, device=device))


def shaped(config: dict) -> Design:
    """The recipe ``geneformer`` in the shape of a published configuration."""
    design = load_recipe("geneformer").design("published")
    size = dataclasses.replace(
        design.size,
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        hidden=config["intermediate_size"],
        length=config["max_position_embeddings"],
    )
    return dataclasses.replace(design, size=size)


def renamed(theirs: dict[str, Tensor], *, rows: Tensor, layers: int) -> dict[str, Tensor]:
    """Published weights under our names; ``rows``: the published token of each of ours.

    The first row of the token-type table is added to every token, so it goes into the positions.
    """
    front = "bert.embeddings."
    kind = theirs[f"{front}token_type_embeddings.weight"][0]
    found = {
        "embed.genes.table.weight": theirs[f"{front}word_embeddings.weight"][rows],
        "embed.place.weight": theirs[f"{front}position_embeddings.weight"] + kind,
        "embed.norm.weight": theirs[f"{front}LayerNorm.weight"],
        "embed.norm.bias": theirs[f"{front}LayerNorm.bias"],
    }
    for i in range(layers):
        layer = f"bert.encoder.layer.{i}."
        for end in ("weight", "bias"):
            qkv = [theirs[f"{layer}attention.self.{name}.{end}"] for name in ("query", "key", "value")]
            found[f"blocks.{i}.mixer.project.{end}"] = torch.cat(qkv)
            found |= {
                f"blocks.{i}.{our}.{end}": theirs[f"{layer}{name}.{end}"] for our, name in BLOCK.items()
            }
    return found


if __name__ == "__main__":
    main()
