"""Hugging Face's ``BertModel`` with our weights, fed the usual way: the peer of ``bench.embed``."""

import numpy as np
import torch
from torch import Tensor

from contract.errors import UserError
from models.transformer.infer import autocast
from models.transformer.model import Encoder
from models.transformer.tokenise import Tokens

BLOCK = {
    "mixer.out": "attention.output.dense",
    "norms.0": "attention.output.LayerNorm",
    "feed.up": "intermediate.dense",
    "feed.down": "output.dense",
    "norms.1": "output.LayerNorm",
}
FRONT = {
    "embed.genes.table.weight": "embeddings.word_embeddings.weight",
    "embed.place.weight": "embeddings.position_embeddings.weight",
    "embed.norm.weight": "embeddings.LayerNorm.weight",
    "embed.norm.bias": "embeddings.LayerNorm.bias",
}


def bert_of(encoder: Encoder, *, vocabulary: int) -> torch.nn.Module:
    """``BertModel`` of the same shape with the same weights; its token-type table is set to zero."""
    try:
        from transformers import BertConfig, BertModel
    except ImportError:
        raise UserError(
            "BertModel", found="no package transformers", todo="pip install -e '.[bench]'"
        ) from None
    size = encoder.design.size
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.hidden,
        hidden_act=encoder.design.backbone.feed,
        max_position_embeddings=size.length,
        layer_norm_eps=encoder.design.backbone.eps,
        pad_token_id=0,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict(renamed(encoder.state_dict(), layers=size.layers, width=size.width))
    return model


def renamed(ours: dict[str, Tensor], *, layers: int, width: int) -> dict[str, Tensor]:
    """Our weights under BERT's names: one matrix for queries, keys and values becomes three."""
    found = {theirs: ours[name] for name, theirs in FRONT.items()}
    found["embeddings.token_type_embeddings.weight"] = torch.zeros(2, width)
    for i in range(layers):
        for name, theirs in BLOCK.items():
            for kind in ("weight", "bias"):
                found[f"encoder.layer.{i}.{theirs}.{kind}"] = ours[f"blocks.{i}.{name}.{kind}"]
        for kind in ("weight", "bias"):
            parts = ours[f"blocks.{i}.mixer.project.{kind}"].chunk(3)
            for name, part in zip(("query", "key", "value"), parts, strict=True):
                found[f"encoder.layer.{i}.attention.self.{name}.{kind}"] = part
    return found


@torch.inference_mode()
def embed(
    bert: torch.nn.Module, tokens: Tokens, *, batch_cells: int, by_length: bool, device: torch.device
) -> np.ndarray:
    """Mean over genes of the last but one layer, (N, D): batches padded to the longest, all layers run.

    ``by_length`` sorts cells by length first, longest ones in front, as Geneformer's own extractor does;
    else they come as they lie in the file.
    """
    lengths = tokens.lengths
    order = np.argsort(-lengths, kind="stable") if by_length else np.arange(len(tokens))
    out = np.empty((len(tokens), bert.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), batch_cells):
        rows = order[start : start + batch_cells]
        ids = np.zeros((len(rows), lengths[rows].max()), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : lengths[row]] = tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]]
        batch = torch.from_numpy(ids).to(device)
        mask = (batch != 0).long()
        with autocast(device):
            hidden = bert(batch, attention_mask=mask, output_hidden_states=True).hidden_states[-2]
        mean = (hidden.float() * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        out[rows] = mean.numpy(force=True)
    return out
