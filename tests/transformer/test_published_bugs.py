"""Published bugs: gone by default, and back as published where they are asked for."""

import dataclasses

import numpy as np
import pytest
import torch
from recipe_cases import CPU, made

from contract.errors import UserError
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.transformer.batch import batch_of
from models.transformer.infer import embed
from models.transformer.recipe import load_recipe, recipe_names
from models.transformer.sight import see


def quirky(name, programmes, corpus_of):
    """The same weights without and with the bugs, and the corpus."""
    design, corpus, network = made(name, programmes, corpus_of)
    plain = network.encoder
    bugs = load_recipe(name).design("tiny", parity=True).quirks
    other = made(name, programmes, corpus_of)[2].encoder
    other.design = dataclasses.replace(design, quirks=bugs)
    other.load_state_dict(plain.state_dict())
    return plain, other, corpus


def rows(encoder, corpus, cells, *, together):
    some = dataclasses.replace(corpus, counts=corpus.counts.take(np.array(cells)))
    return embed(encoder, some, batch_cells=together, device=CPU)


def test_with_the_padding_of_uce_a_cell_depends_on_its_batch(programmes, corpus_of) -> None:
    plain, other, corpus = quirky("uce_style", programmes, corpus_of)
    lengths = corpus.tokens(np.arange(60)).lengths
    cells = [int(lengths.argmin()), int(lengths.argmax())]
    assert lengths.min() < lengths.max()
    for encoder, depends in ((plain, False), (other, True)):
        together, alone = (rows(encoder, corpus, cells, together=n)[0] for n in (2, 1))
        assert np.allclose(together, alone, atol=1e-5) != depends


def test_padding_scores_one_more() -> None:
    real = torch.tensor([[True, True, False], [True, True, True]])
    sight = see(real, mask="full", quirks=("pads_score_one",))
    assert sight.mask is None
    assert sight.bias[0, 0].tolist() == [[0.0, 0.0, 1.0]] * 3
    assert not sight.bias[1].any()


@pytest.mark.parametrize("name", ["nicheformer_style", "c2s_style"])
def test_a_mean_over_padding(name, programmes, corpus_of) -> None:
    """By hand: the states of a sequence that was padded to the full length, context tokens left out."""
    plain, other, corpus = quirky(name, programmes, corpus_of)
    found = rows(other, corpus, [3, 8], together=2)
    assert not np.allclose(found, rows(plain, corpus, [3, 8], together=2), atol=1e-4)
    np.testing.assert_allclose(rows(other, corpus, [3], together=1)[0], found[0], atol=1e-5)
    batch = batch_of(corpus.tokens(np.array([3])), np.array([0]))
    length = plain.design.size.length
    wide = torch.zeros(1, length, dtype=torch.int64)
    wide[:, : batch.ids.shape[1]] = batch.ids
    numbers = {key: torch.full((1, length), float("nan")) for key in ("values", "targets", "counts")}
    with torch.no_grad():
        states = plain(dataclasses.replace(batch, ids=wide, **numbers), layer=-1).hidden[0]
    first = 3 if name == "nicheformer_style" else 0
    np.testing.assert_allclose(found[0], states[first:].mean(0).numpy(), atol=1e-5)


def test_the_bias_on_oneself_is_that_of_embedding(programmes, corpus_of) -> None:
    weight = torch.tensor([[3.0, 7.0]])
    real = torch.ones(1, 2, dtype=torch.bool)
    sight = see(real, mask="causal", weight=weight, quirks=("bias_on_itself",))
    torch.testing.assert_close(sight.bias[0, 0], torch.log1p(weight).expand(2, 2))
    assert not see(real, mask="causal", weight=weight).bias[0, 0].diagonal().any()
    plain, other, corpus = quirky("transcriptformer_style", programmes, corpus_of)
    assert not np.allclose(
        rows(other, corpus, [1], together=1), rows(plain, corpus, [1], together=1), atol=1e-4
    )
    batch = batch_of(corpus.tokens(np.arange(3)), np.arange(3))
    with torch.no_grad():
        torch.testing.assert_close(other.train()(batch).hidden, plain.train()(batch).hidden)


def test_parity_is_an_option_and_stands_on_the_card(cells_of) -> None:
    options = RecipeOptions(recipe="uce_style", size="tiny", init="random", parity=True)
    model = Pretrained(options).fit(cells_of(60), seed=0)
    assert model.card.note.endswith("With bugs as published: pads_score_one.")
    assert model._checkpoint.design.quirks == ("pads_score_one",)
    with pytest.raises(UserError, match="'geneformer' knows no published bug"):
        Pretrained(dataclasses.replace(options, recipe="geneformer")).fit(cells_of(60), seed=0)
    for name in recipe_names():
        assert load_recipe(name).design("tiny").quirks == ()
