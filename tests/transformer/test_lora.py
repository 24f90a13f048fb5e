import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.transformer.block import blocks_of
from models.transformer.checkpoint import build
from models.transformer.infer import embed
from models.transformer.lora import STRENGTH, LowRank, attach, merge
from models.transformer.model import Encoder
from models.transformer.recipe import load_recipe, recipe_names
from models.transformer.sight import see
from models.transformer.tokenise import specials_of

CPU = torch.device("cpu")


@pytest.fixture
def encoder_and_corpus(small_design, corpus_of, programmes):
    design = small_design()
    corpus = corpus_of(programmes(24)[0], design)
    torch.manual_seed(0)
    vocabulary = corpus.tokenise.vocabulary
    network = build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials))
    return network.encoder, corpus


def of(encoder, corpus):
    return embed(encoder, corpus, batch_cells=8, device=CPU)


def adapters(module):
    return [part for part in module.modules() if isinstance(part, LowRank)]


def stir(module):
    """Corrections as large as the weights themselves."""
    for i, part in enumerate(adapters(module)):
        draw = torch.randn(part.up.shape, generator=torch.Generator().manual_seed(i))
        part.up.data = draw.to(part.up) * 0.1


def test_off_is_the_base_bit_for_bit(encoder_and_corpus):
    encoder, corpus = encoder_and_corpus
    base = of(encoder, corpus)
    attach(encoder.blocks, rank=4, seed=0)
    assert of(encoder, corpus).tobytes() == base.tobytes()
    stir(encoder)
    assert np.abs(of(encoder, corpus) - base).max() > 0.1
    for part in adapters(encoder):
        part.scale = 0.0
    assert of(encoder, corpus).tobytes() == base.tobytes()


def test_merged_weights_give_the_adapters_embedding_to_the_bit(encoder_and_corpus):
    encoder, corpus = encoder_and_corpus
    names = list(encoder.state_dict())
    attach(encoder.blocks, rank=4, seed=0)
    stir(encoder)
    adapted = of(encoder, corpus)
    merge(encoder.blocks)
    assert of(encoder, corpus).tobytes() == adapted.tobytes()
    assert list(encoder.state_dict()) == names


def test_the_forward_is_the_published_sum_of_two_paths():
    base = torch.nn.Linear(6, 5).double()
    part = LowRank(base, rank=2, generator=torch.Generator().manual_seed(0))
    part.up.data = torch.randn(5, 2, dtype=torch.float64)
    x = torch.randn(3, 6, dtype=torch.float64)
    published = base(x) + STRENGTH * F.linear(F.linear(x, part.down), part.up)
    torch.testing.assert_close(part(x), published, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mixer", ["softmax", "performer", "relu_kernel"])
def test_gradients_through_a_block_are_the_numerical_ones(mixer, small_design):
    design = small_design()
    backbone = dataclasses.replace(design.backbone, mixer=mixer, feed="gelu", bias=True, eps=1e-5)
    size = dataclasses.replace(design.size, width=4, heads=2, hidden=6, features=4, layers=1)
    torch.manual_seed(0)
    (block,) = blocks_of(backbone, size).double()
    attach([block], rank=2, seed=0)
    stir(block)
    weights = {n: p for n, p in block.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in weights} == {"up", "down"}
    x, real = torch.randn(2, 5, 4, dtype=torch.float64), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    sight = see(real, mask="full")

    def output(*values):
        given = dict(zip(weights, values, strict=True))
        return torch.func.functional_call(block, given, (x, sight))[real]

    # The performer computes in float32 inside: coarser steps, coarser agreement.
    step, tolerance = (1e-2, 3e-2) if mixer == "performer" else (1e-6, 1e-6)
    assert torch.autograd.gradcheck(
        output, tuple(weights.values()), eps=step, atol=tolerance, rtol=tolerance, nondet_tol=0.0
    )


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_takes_adapters_and_gives_them_back(name):
    design = load_recipe(name).design("tiny")
    specials = 2 + len(specials_of(design.tokeniser))
    with torch.device("meta"):
        encoder = Encoder(design, vocabulary=50 + specials, specials=specials)
    linear = sum(isinstance(part, torch.nn.Linear) for part in encoder.blocks.modules())
    names = list(encoder.state_dict())
    encoder = copy.deepcopy(encoder).to_empty(device=CPU)
    attach(encoder.blocks, rank=2, seed=0)
    assert len(adapters(encoder)) == linear >= 2 * len(encoder.blocks)
    trained = sum(p.numel() for p in encoder.blocks.parameters() if p.requires_grad)
    assert 0 < trained < sum(p.numel() for p in encoder.blocks.parameters()) / 4
    merge(encoder.blocks)
    assert list(encoder.state_dict()) == names
