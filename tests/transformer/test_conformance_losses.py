"""What every recipe's pre-training must hold: what is scored, what is seen, and that it can be resumed."""

import dataclasses

import numpy as np
import pytest
import torch
from recipe_cases import CPU, first_batch, made, names, shrunk, untrained
from torch.nn import functional as F

from models.transformer.batch import Batch, batch_of
from models.transformer.choices import OF_BATCHES, OF_TYPES
from models.transformer.engine import pretrain
from models.transformer.masking import Masked

# Scored at other places than the hidden ones, by design.
ELSEWHERE = {"next_gene", "next_value", "expressed", "profile", "teacher", "contrast", "similarity"}
ELSEWHERE |= {*OF_TYPES, *OF_BATCHES}


def losses(network, batch, masked):
    with torch.no_grad():
        return {kind: float(loss) for kind, (loss, _) in network(batch, masked).items()}


def sizes_of(network):
    bins = network.design.value.bins
    return {"specials": network.specials, "vocabulary": network.vocabulary, "bins": bins}


def with_other_targets(batch, where, *, specials, vocabulary, bins):
    """Other genes and values asked for where ``where`` is true."""
    where = where & (batch.ids >= specials)
    ids = torch.where(where, specials + (batch.ids - specials + 7) % (vocabulary - specials), batch.ids)
    targets = (batch.targets + 1) % bins if bins else batch.targets + 1
    return dataclasses.replace(batch, ids=ids, targets=torch.where(where, targets, batch.targets))


def test_only_what_is_hidden_is_scored(case):
    design, corpus, network = case
    asked = {o.kind for o in design.objectives if not o.everywhere} - ELSEWHERE
    batch = first_batch(corpus)
    masked = network.mask(batch, seed=3)
    size = sizes_of(network)
    before = losses(network, batch, masked)
    open_places = losses(network, with_other_targets(batch, ~masked.chosen, **size), masked)
    hidden_places = losses(network, with_other_targets(batch, masked.chosen, **size), masked)
    for kind in asked:
        assert open_places[kind] == before[kind], kind
        assert hidden_places[kind] != before[kind], kind


@pytest.mark.parametrize("case", names(lambda r: r.masking is not None), indirect=True)
def test_what_is_hidden_leaves_no_trace(case):
    _, corpus, network = case
    batch = first_batch(corpus)
    shown = network.mask(batch, seed=3).shown
    if shown.hidden is None:
        assert not (shown.ids == batch.ids)[network.mask(batch, seed=3).chosen].all()
        return
    values = torch.where(shown.hidden, (batch.values + 2) % 5, shown.values)
    other = dataclasses.replace(shown, values=values)
    with torch.no_grad():
        assert torch.equal(network.encoder(other).hidden, network.encoder(shown).hidden)


CAUSAL = names(lambda r: r.backbone.mask == "causal" and r.identity.kind != "patch")


@pytest.mark.parametrize("case", CAUSAL, indirect=True)
def test_nobody_looks_ahead(case):
    _, corpus, network = case
    batch = batch_of(corpus.tokens(np.arange(1)), np.arange(1))
    later = torch.arange(batch.ids.shape[1]) >= 4
    other = with_other_targets(batch, later, **sizes_of(network))
    other = dataclasses.replace(other, values=other.targets)
    with torch.no_grad():
        one, two = network.encoder(batch).hidden[0], network.encoder(other).hidden[0]
    torch.testing.assert_close(one[:4], two[:4])
    assert not torch.allclose(one[4:], two[4:])


def widened(batch, by):
    numbers = {
        k: F.pad(getattr(batch, k), (0, by), value=float("nan")) for k in ("values", "targets", "counts")
    }
    hidden = None if batch.hidden is None else F.pad(batch.hidden, (0, by))
    return dataclasses.replace(batch, ids=F.pad(batch.ids, (0, by)), hidden=hidden, **numbers)


@pytest.mark.parametrize("case", names(lambda r: r.tokeniser.kind != "panel"), indirect=True)
def test_padding_changes_no_loss(case):
    design, corpus, network = case
    batch = first_batch(corpus)
    by = 32 - batch.ids.shape[1] if design.backbone.positions == "learned" else 9
    masked = network.mask(batch, seed=3)
    wide = Masked(widened(masked.shown, by), F.pad(masked.chosen, (0, by)))
    found, expected = losses(network, widened(batch, by), wide), losses(network, batch, masked)
    assert found == pytest.approx(expected, rel=1e-3)


def test_it_runs_in_bfloat16_as_on_a_gpu(case):
    _, corpus, network = case
    batch = first_batch(corpus)
    masked = network.mask(batch, seed=3)
    exact = losses(network, batch, masked)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = losses(network, batch, masked)
        cells = network.encoder.cell(network.encoder(batch)).float()
    assert torch.isfinite(cells).all()
    assert near == pytest.approx(exact, rel=0.2, abs=0.5)


def test_unknown_genes_see_known_ones_and_themselves_alone(programmes, corpus_of):
    design = shrunk("scgpt")
    corpus = corpus_of(programmes(60)[0] + 1, design)
    network = untrained(design, corpus)
    batch = first_batch(corpus)
    shown = network.mask(batch, seed=1).shown
    unknown = int(shown.hidden[0].nonzero()[0])
    ids = shown.ids.clone()
    ids[0, unknown] = network.specials + (ids[0, unknown] - network.specials + 5) % 40
    with torch.no_grad():
        one = network.encoder(shown).hidden[0]
        two = network.encoder(dataclasses.replace(shown, ids=ids)).hidden[0]
    others = torch.arange(len(one)) != unknown
    assert torch.equal(one[others], two[others])
    assert not torch.allclose(one[unknown], two[unknown])


def test_a_teacher_follows_and_is_not_trained(programmes, corpus_of):
    design = shrunk("cell_jepa")
    corpus = corpus_of(programmes(60)[0] + 1, design)
    network = untrained(design, corpus)
    start = {name: weight.clone() for name, weight in network.teacher.named_parameters()}
    with torch.no_grad():
        for weight in network.encoder.parameters():
            weight.add_(1.0)
    network.after_step()
    for name, weight in network.teacher.named_parameters():
        torch.testing.assert_close(weight, start[name] + 0.004)
        assert not weight.requires_grad


def test_a_batch_moves_whole():
    ids = torch.ones(2, 3, dtype=torch.int64)
    number = torch.zeros(2, 3)
    batch = Batch(
        ids=ids,
        values=number,
        targets=number,
        counts=number,
        queries=ids,
        answers=ids,
        hidden=ids > 0,
        marks=ids,
    )
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, field.name).device.type for field in dataclasses.fields(moved)} == {"meta"}


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", ["cell_jepa", "uce_style", "scfoundation", "scprint_style", "sccello"])
def test_a_killed_run_goes_on_to_the_same_weights(name, programmes, corpus_of, tmp_path):
    """Teachers, draws of genes and thinning, too, follow from the seed and the step."""
    design, corpus, _ = made(name, programmes, corpus_of)

    def train(**options):
        network = untrained(design, corpus)
        training = dataclasses.replace(design.size.training, dropout=0.1)
        options = {"validation": None, "training": training, "seed": 0, "device": CPU} | options
        curve = pretrain(network, corpus=corpus, **options)
        return network.state_dict(), curve

    def kill(record):
        if record["step"] >= 6:
            raise Killed

    kept = {"resume": tmp_path / "resume.safetensors", "fingerprint": "this"}
    with pytest.raises(Killed):
        train(report=kill, **kept)
    assert kept["resume"].is_file()
    (weights, curve), (whole, whole_curve) = train(**kept), train()
    assert curve == whole_curve
    assert all(torch.equal(weights[key], whole[key]) for key in whole)
