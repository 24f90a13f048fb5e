import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.transformer.block import Attention, Block, key_mask
from models.transformer.checkpoint import build
from models.transformer.model import Encoder
from models.transformer.pool import pool
from models.transformer.recipe import Pooler, load_recipe


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
    layer = Attention(width=12, heads=3, dropout=0.0)
    x, real = torch.randn(2, 5, 12), torch.tensor([[True] * 5, [True, True, True, False, False]])
    found = layer(x, key_mask(real))
    torch.testing.assert_close(found, naive_attention(layer, x, real), atol=1e-6, rtol=1e-5)


def test_norm_stands_where_the_switch_says():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8)
    common = {"width": 8, "heads": 2, "hidden": 16, "activation": "relu", "dropout": 0.0, "eps": 1e-12}
    post, pre = Block(norm="post", **common), Block(norm="pre", **common)
    pre.load_state_dict(post.state_dict())
    a = post.norm1(x + post.attention(x, None))
    torch.testing.assert_close(post(x, None), post.norm2(a + post.down(F.relu(post.up(a)))))
    b = x + pre.attention(pre.norm1(x), None)
    torch.testing.assert_close(pre(x, None), b + pre.down(F.relu(pre.up(pre.norm2(b)))))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_block_agrees_with_torchs_own_layer(norm, activation):
    torch.manual_seed(0)
    ours = Block(width=12, heads=3, hidden=20, norm=norm, activation=activation, dropout=0.3, eps=1e-12)
    peer = torch.nn.TransformerEncoderLayer(
        12, 3, 20, activation=activation, layer_norm_eps=1e-12, batch_first=True, norm_first=norm == "pre"
    )
    pairs = {
        peer.self_attn.in_proj_weight: ours.attention.project.weight,
        peer.self_attn.in_proj_bias: ours.attention.project.bias,
        peer.self_attn.out_proj.weight: ours.attention.out.weight,
        peer.self_attn.out_proj.bias: ours.attention.out.bias,
        peer.linear1.weight: ours.up.weight,
        peer.linear1.bias: ours.up.bias,
        peer.linear2.weight: ours.down.weight,
        peer.linear2.bias: ours.down.bias,
    }
    with torch.no_grad():
        for theirs, mine in pairs.items():
            theirs.copy_(mine.normal_())
    x, real = torch.randn(3, 6, 12), torch.arange(6) < torch.tensor([[6], [4], [1]])
    found = ours.eval()(x, key_mask(real))
    peer.train()  # the fused path of eval mode rounds otherwise; without dropout the two modes agree
    for part in (peer.dropout, peer.dropout1, peer.dropout2, peer.self_attn):
        part.p = part.dropout = 0.0
    expected = peer(x, src_key_padding_mask=~real)
    torch.testing.assert_close(found[real], expected[real], atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def encoder(small_design):
    torch.manual_seed(0)
    return Encoder(small_design(), vocabulary=50).eval()


def test_padding_changes_nothing(encoder):
    ids = torch.arange(2, 11)[None]
    padded = F.pad(ids, (0, 13))
    torch.testing.assert_close(encoder(padded)[:, :9], encoder(ids), atol=1e-5, rtol=1e-5)


def test_rank_matters(encoder):
    ids = torch.arange(2, 11)[None]
    assert not torch.allclose(encoder(ids).mean(1), encoder(ids.flip(1)).mean(1), atol=1e-4)


def test_layers_count_from_the_end(encoder):
    ids = torch.tensor([[5, 9, 7, 0], [3, 4, 5, 6]])
    x = encoder.norm(encoder.genes(ids) + encoder.positions.weight[:4])
    states = [x]
    for block in encoder.blocks:
        states.append(block(states[-1], key_mask(ids != 0)))
    for layer in (-1, -2, -3):
        torch.testing.assert_close(encoder(ids, layer=layer), states[layer])


def test_mean_runs_over_genes_alone():
    ids = torch.tensor([[2, 7, 8, 3, 0], [2, 9, 3, 0, 0]])
    hidden = torch.randn(2, 5, 6)
    found = pool(hidden, ids, pooler=Pooler(kind="mean", layer=-1), specials=4)
    torch.testing.assert_close(found, torch.stack([hidden[0, 1:3].mean(0), hidden[1, 1]]))
    first = pool(hidden, ids, pooler=Pooler(kind="cls", layer=-1), specials=4)
    torch.testing.assert_close(first, hidden[:, 0])


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
    assert not torch.equal(one["encoder.genes.weight"], other["encoder.genes.weight"])
    assert np.isclose(one["encoder.positions.weight"].std(), 0.02, rtol=0.2)
    assert not one["encoder.genes.weight"][0].any()
