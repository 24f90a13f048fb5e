import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.transformer.batch import Batch
from models.transformer.block import Block
from models.transformer.checkpoint import build
from models.transformer.choices import Backbone, Size, Training
from models.transformer.mixers import Attention
from models.transformer.model import Encoder
from models.transformer.pool import pool
from models.transformer.recipe import load_recipe
from models.transformer.sight import see

PLAIN = Backbone(mixer="softmax", mask="full", norm="post", feed="relu", eps=1e-12, init_std=0.02)


def size_of(*, width, heads, hidden, dropout=0.0, layers=1):
    training = Training(
        epochs=1.0,
        batch_cells=1,
        rate=1.0,
        warmup=0.0,
        schedule="linear",
        decay=0.0,
        clip=1.0,
        dropout=dropout,
    )
    return Size(layers=layers, width=width, heads=heads, hidden=hidden, length=64, training=training)


def batch_with(ids):
    numbers = torch.full(ids.shape, float("nan"))
    none = torch.zeros(len(ids), 0, dtype=torch.int64)
    return Batch(ids=ids, values=numbers, targets=numbers, counts=numbers, queries=none, answers=none)


def naive_attention(layer, x, real):
    """Softmax attention of one head after another, one query after another."""
    q, k, v = layer.project(x).chunk(3, dim=-1)
    out = torch.zeros_like(x)
    size = x.shape[-1] // layer.heads
    for b in range(x.shape[0]):
        keys = real[b].nonzero().flatten()
        for head in range(layer.heads):
            part = slice(head * size, (head + 1) * size)
            for t in range(x.shape[1]):
                score = torch.stack([q[b, t, part] @ k[b, s, part] for s in keys]) / size**0.5
                weight = score.exp() / score.exp().sum()
                out[b, t, part] = sum(w * v[b, s, part] for w, s in zip(weight, keys, strict=True))
    return layer.out(out)


def test_attention_is_softmax_attention_over_real_keys():
    torch.manual_seed(0)
    layer = Attention(PLAIN, size_of(width=12, heads=3, hidden=0))
    x, real = torch.randn(2, 5, 12), torch.tensor([[True] * 5, [True, True, True, False, False]])
    found = layer(x, see(real, mask="full"))
    torch.testing.assert_close(found, naive_attention(layer, x, real), atol=1e-6, rtol=1e-5)


def test_norm_stands_where_the_switch_says():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8)
    size, sight = size_of(width=8, heads=2, hidden=16), see(torch.ones(2, 4, dtype=torch.bool), mask="full")
    blocks = {
        norm: Block(dataclasses.replace(PLAIN, norm=norm), size)
        for norm in ("post", "pre", "stream", "deep", "none")
    }
    for block in blocks.values():
        block.load_state_dict(blocks["post"].state_dict(), strict=False)
    mix = lambda y: blocks["post"].mixer(y, sight)  # noqa: E731
    feed, (first, second) = blocks["post"].feed, blocks["post"].norms
    a = first(x + mix(x))
    torch.testing.assert_close(blocks["post"](x, sight), second(a + feed(a)))
    a = x + mix(first(x))
    torch.testing.assert_close(blocks["pre"](x, sight), a + feed(second(a)))
    a = first(x) + mix(first(x))
    torch.testing.assert_close(blocks["stream"](x, sight), second(a) + feed(second(a)))
    a = first(2**0.25 * x + mix(x))
    torch.testing.assert_close(blocks["deep"](x, sight), second(2**0.25 * a + feed(a)))
    a = x + mix(x)
    torch.testing.assert_close(blocks["none"](x, sight), a + feed(a))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_block_agrees_with_torchs_own_layer(norm, activation):
    torch.manual_seed(0)
    backbone = dataclasses.replace(PLAIN, norm=norm, feed=activation)
    ours = Block(backbone, size_of(width=12, heads=3, hidden=20, dropout=0.3))
    peer = torch.nn.TransformerEncoderLayer(
        12, 3, 20, activation=activation, layer_norm_eps=1e-12, batch_first=True, norm_first=norm == "pre"
    )
    pairs = {
        peer.self_attn.in_proj_weight: ours.mixer.project.weight,
        peer.self_attn.in_proj_bias: ours.mixer.project.bias,
        peer.self_attn.out_proj.weight: ours.mixer.out.weight,
        peer.self_attn.out_proj.bias: ours.mixer.out.bias,
        peer.linear1.weight: ours.feed.up.weight,
        peer.linear1.bias: ours.feed.up.bias,
        peer.linear2.weight: ours.feed.down.weight,
        peer.linear2.bias: ours.feed.down.bias,
    }
    with torch.no_grad():
        for theirs, mine in pairs.items():
            theirs.copy_(mine.normal_())
    x, real = torch.randn(3, 6, 12), torch.arange(6) < torch.tensor([[6], [4], [1]])
    found = ours.eval()(x, see(real, mask="full"))
    peer.train()  # the fused path of eval mode rounds otherwise; without dropout the two modes agree
    for part in (peer.dropout, peer.dropout1, peer.dropout2, peer.self_attn):
        part.p = part.dropout = 0.0
    expected = peer(x, src_key_padding_mask=~real)
    torch.testing.assert_close(found[real], expected[real], atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def encoder(small_design):
    torch.manual_seed(0)
    return Encoder(small_design(), vocabulary=50, specials=2).eval()


def test_padding_changes_nothing(encoder):
    ids = torch.arange(2, 11)[None]
    padded = encoder(batch_with(F.pad(ids, (0, 13)))).hidden
    torch.testing.assert_close(padded[:, :9], encoder(batch_with(ids)).hidden, atol=1e-5, rtol=1e-5)


def test_rank_matters(encoder):
    ids = torch.arange(2, 11)[None]
    one, other = (encoder(batch_with(order)).hidden.mean(1) for order in (ids, ids.flip(1)))
    assert not torch.allclose(one, other, atol=1e-4)


def test_layers_count_from_the_end(encoder):
    ids = torch.tensor([[5, 9, 7, 0], [3, 4, 5, 6]])
    x = encoder.embed.norm(encoder.embed.genes(ids) + encoder.embed.place.weight[:4])
    states = [x]
    for block in encoder.blocks:
        states.append(block(states[-1], see(ids != 0, mask="full")))
    for layer in (-1, -2, -3):
        torch.testing.assert_close(encoder(batch_with(ids), layer=layer).hidden, states[layer])


def test_poolers_follow_their_definitions():
    ids = torch.tensor([[2, 3, 7, 8, 0], [2, 3, 9, 0, 0]])
    hidden = torch.randn(2, 5, 6)
    genes = [hidden[0, 2:4], hidden[1, 2:3]]
    mean, most = (
        torch.stack([f(cell) for cell in genes]) for f in (lambda c: c.mean(0), lambda c: c.amax(0))
    )
    expected = {
        "mean": mean,
        "max": most,
        "sum": torch.stack([cell.sum(0) / 20 for cell in genes]),
        "all": torch.stack([hidden[0, :4].mean(0), hidden[1, :3].mean(0)]),
        "cls": hidden[:, 0],
        "last": torch.stack([hidden[0, 3], hidden[1, 2]]),
        "specials": hidden[:, :2].mean(1),
        "concat": torch.cat([hidden[:, 0], hidden[:, 1], most, mean], dim=1),
    }
    for kind, wanted in expected.items():
        found = pool(hidden, ids, kind=kind, specials=4, prefix=2, length=20)
        torch.testing.assert_close(found, wanted)


def test_published_size_has_the_published_number_of_parameters():
    design = load_recipe("geneformer").design("published")
    with torch.device("meta"):
        network = build(design, vocabulary=25_426, specials=2)
    ours = sum(parameter.numel() for parameter in network.parameters())
    v, s, d, f = 25_426, 2_048, 256, 512
    layer = 4 * (d * d + d) + (d * f + f) + (f * d + d) + 4 * d
    bert = v * d + s * d + 2 * d + 2 * d + 6 * layer + (d * d + d + 2 * d + v)
    assert ours == bert - 2 * d  # the token-type table, see Encoder
    assert abs(ours / 10.3e6 - 1) < 0.01


def test_every_size_can_be_built():
    recipe = load_recipe("geneformer")
    for name in recipe.sizes:
        with torch.device("meta"):
            network = build(recipe.design(name), vocabulary=100, specials=2)
        assert len(network.encoder.blocks) == recipe.sizes[name].layers


def test_initial_weights_follow_the_seed(small_design):
    def weights(seed):
        torch.manual_seed(seed)
        return build(small_design(), vocabulary=50, specials=2).state_dict()

    one, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["encoder.embed.genes.table.weight"], other["encoder.embed.genes.table.weight"])
    assert np.isclose(one["encoder.embed.place.weight"].std(), 0.02, rtol=0.2)
    assert not one["encoder.embed.genes.table.weight"][0].any()
