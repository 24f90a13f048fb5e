import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from models.finetune_options import WITH_PROTOCOL
from models.transformer.checkpoint import build
from models.transformer.errors import RecipeError
from models.transformer.finetune import Run
from models.transformer.finetune_model import Labelled
from models.transformer.finetune_published import PUBLISHED, BertHead, ScGptHead, tune_as_published
from models.transformer.mixers import Attention
from models.transformer.recipe import load_recipe
from models.transformer.schedule import Plan

CPU = torch.device("cpu")


def test_the_catalogue_knows_who_has_a_protocol():
    assert set(WITH_PROTOCOL) == set(PUBLISHED)


@pytest.fixture
def learnt(corpus_of, programmes):
    """A recipe's tiny network, fine-tuned as published on 24 cells of four kinds."""

    def make(name, *, recipe=None):
        design = load_recipe(name).design("tiny")
        size = dataclasses.replace(design.size, width=16, heads=2, hidden=16, layers=2, length=24)
        design = dataclasses.replace(design, size=size, recipe=recipe or name)
        dense, kind = programmes(24)
        corpus = corpus_of(dense, design)
        vocabulary = corpus.tokenise.vocabulary
        torch.manual_seed(0)
        encoder = build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials)).encoder
        found = tune_as_published(encoder, Labelled(corpus=corpus, label=kind), seed=0, device=CPU)
        return encoder, found

    return make


def test_geneformer_reads_its_first_token(learnt):
    encoder, found = learnt("geneformer")
    pooler = found.encoder.design.pooler
    assert (pooler.kind, pooler.layer) == ("cls", -1)
    assert encoder.design.pooler.kind == "mean"
    assert isinstance(found.readout, BertHead)
    assert found.curve[-1]["step"] == 20
    assert found.curve[-1]["cells"] == 240
    for (name, before), after in zip(encoder.named_parameters(), found.encoder.parameters(), strict=True):
        assert (before != after).any() or not before.numel() or "place" in name, name


def test_scgpt_drops_out_and_slows_down(learnt):
    _, found = learnt("scgpt")
    assert isinstance(found.readout, ScGptHead)
    assert not found.encoder.design.pooler.unit
    drops = [part.p for part in found.encoder.modules() if isinstance(part, nn.Dropout)]
    drops += [part.dropout for part in found.encoder.modules() if isinstance(part, Attention)]
    assert set(drops) == {0.2}
    run = Run(
        number=0,
        training=PUBLISHED["scgpt"].training,
        plan=Plan(steps=20, steps_per_epoch=2),
        stop=20,
        seed=0,
        fall=0.9,
    )
    np.testing.assert_allclose(
        [run.rate(step) for step in (0, 1, 2, 19)], 1e-4 * 0.9 ** np.array([0, 0, 1, 9])
    )


def test_no_protocol_no_answer(learnt):
    with pytest.raises(RecipeError, match="no published protocol; known: geneformer, scgpt"):
        learnt("geneformer", recipe="scbert")
