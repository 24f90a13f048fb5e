import dataclasses
import itertools

import numpy as np
import pytest
import torch

from models.transformer.checkpoint import build
from models.transformer.data import held_out_units, shuffled
from models.transformer.engine import pretrain, validate
from models.transformer.errors import TrainingError
from models.transformer.infer import embed
from models.transformer.schedule import plan, rate_at

CPU = torch.device("cpu")


def train(design, corpus, *, seed=0, validation=None, **options):
    torch.manual_seed(seed)
    network = build(design, vocabulary=len(corpus.tokenise.vocabulary), specials=2)
    curve = pretrain(
        network,
        corpus=corpus,
        validation=validation,
        training=design.size.training,
        seed=seed,
        device=CPU,
        **options,
    )
    return network, curve


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def corpus(programmes, corpus_of, small_design):
    return corpus_of(programmes(300)[0], small_design())


def unigram_entropy(corpus):
    share = np.bincount(corpus.tokens(np.arange(len(corpus))).ids)
    share = share[share > 0] / share.sum()
    return -(share * np.log(share)).sum()


def test_it_learns_which_genes_go_together(programmes, corpus_of, small_design):
    design = small_design(epochs=15.0, rate=5e-3)
    corpus = corpus_of(programmes(400)[0], design)
    held_out = corpus_of(programmes(100, seed=1)[0], design, vocabulary=corpus.tokenise.vocabulary)
    _, curve = train(design, corpus, validation=held_out)
    assert curve[0]["loss"] is None
    assert curve[0]["validation"] == pytest.approx(np.log(42), rel=0.05)
    assert curve[-1]["loss"] < unigram_entropy(corpus) - 0.5
    assert curve[-1]["validation"] < unigram_entropy(corpus) - 0.5


def test_same_seed_same_bytes_other_seed_other_weights(corpus, small_design):
    design = small_design(dropout=0.1)
    one, curve = train(design, corpus)
    torch.rand(7)
    again, curve_again = train(design, corpus)
    other, _ = train(design, corpus, seed=1)
    assert same(one, again)
    assert curve == curve_again
    assert not same(one, other)


class Killed(Exception):
    pass


@pytest.mark.parametrize("records", [2, 5, 9])
def test_a_killed_run_goes_on_to_the_same_weights(corpus, small_design, tmp_path, records):
    design = small_design(dropout=0.1, epochs=2.6)
    whole, curve = train(design, corpus, validation=corpus)
    left = itertools.count()

    def kill(record):
        if next(left) == records:
            raise Killed

    options = {"resume": tmp_path / "resume.safetensors", "fingerprint": "this", "validation": corpus}
    with pytest.raises(Killed):
        train(design, corpus, report=kill, **options)
    told = []
    resumed, resumed_curve = train(design, corpus, report=told.append, **options)
    assert same(resumed, whole)
    assert resumed_curve == curve
    assert [{k: v for k, v in record.items() if k != "flops_per_token"} for record in told] == curve[records:]


def test_state_of_another_training_is_left_alone(corpus, small_design, tmp_path):
    design, path = small_design(), tmp_path / "resume.safetensors"
    whole, _ = train(design, corpus)
    train(design, corpus, seed=1, resume=path, fingerprint="another")
    assert same(train(design, corpus, resume=path, fingerprint="this")[0], whole)


@pytest.mark.parametrize("content", [b"", b"cut off half way"])
def test_a_damaged_state_costs_its_steps_only(corpus, small_design, tmp_path, capsys, content):
    design, path = small_design(), tmp_path / "resume.safetensors"
    path.write_bytes(content)
    assert same(train(design, corpus, resume=path, fingerprint="this")[0], train(design, corpus)[0])
    assert "starting over" in capsys.readouterr().err


def test_the_random_state_of_the_caller_is_untouched(corpus, small_design):
    design = small_design(dropout=0.1)
    network = build(design, vocabulary=len(corpus.tokenise.vocabulary), specials=2)
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    pretrain(network, corpus=corpus, validation=None, training=design.size.training, seed=0, device=CPU)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_budget_counts_cells_and_repeats(corpus, small_design):
    design = small_design()
    curve = train(design, corpus, budget_cells=450)[1]
    assert curve[-1]["step"] == curve[-1]["steps"] == 19 + 10
    assert abs(curve[-1]["cells"] - 450) < 16
    assert plan(design.size.training, cells=300).steps == 38


def test_nan_stops_the_training(corpus, small_design):
    network = build(small_design(), vocabulary=len(corpus.tokenise.vocabulary), specials=2)
    network.heads["gene"].bias.data[3] = float("nan")
    with pytest.raises(TrainingError, match="became nan at or before step"):
        pretrain(
            network, corpus=corpus, validation=None, training=small_design().size.training, seed=0, device=CPU
        )
    with pytest.raises(TrainingError, match="in validation"):
        validate(network, corpus, batch_cells=16)


def test_a_cell_without_a_gene_is_refused_in_training(programmes, corpus_of, small_design):
    dense = programmes(50)[0]
    vocabulary = corpus_of(dense, small_design()).tokenise.vocabulary
    dense[7] = 0
    with pytest.raises(TrainingError, match="expresses no gene"):
        train(small_design(), corpus_of(dense, small_design(), vocabulary=vocabulary))


def test_an_empty_corpus_is_refused(corpus, small_design):
    empty = dataclasses.replace(corpus, counts=corpus.counts.take(np.array([], dtype=int)))
    with pytest.raises(TrainingError, match="no cell to learn from"):
        train(small_design(), empty)


def rows_of(batches):
    return sorted(tuple(row[row > 0].tolist()) for batch in batches for row in batch.ids)


def test_each_pass_shows_each_cell_once_in_another_order(corpus):
    tokens = corpus.tokens(np.arange(300))
    cells = sorted(tuple(tokens.ids[a:b]) for a, b in itertools.pairwise(tokens.offsets))
    passes = [list(shuffled(corpus, batch_cells=8, seed=0, epoch=epoch)) for epoch in (0, 1)]
    assert rows_of(passes[0]) == rows_of(passes[1]) == cells
    assert passes[0][0].ids.tolist() != passes[1][0].ids.tolist()


def test_long_cells_are_read_in_smaller_pools(corpus, monkeypatch):
    monkeypatch.setattr("models.transformer.data.POOL_TOKENS", 32 * 8 * 3)
    assert corpus.pool(batch_cells=8, most=16) == 3
    assert corpus.pool(batch_cells=8, most=2) == 2
    assert corpus.pool(batch_cells=1000, most=16) == 1
    tokens = corpus.tokens(np.arange(300))
    cells = sorted(tuple(tokens.ids[a:b]) for a, b in itertools.pairwise(tokens.offsets))
    whole = list(shuffled(corpus, batch_cells=8, seed=0, epoch=0))
    assert rows_of(whole) == cells
    rest = list(shuffled(corpus, batch_cells=8, seed=0, epoch=0, start=10))
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(rest, whole[10:], strict=True))


@pytest.mark.parametrize("start", [0, 1, 15, 16, 17, 37])
def test_a_pass_can_be_entered_anywhere(corpus, start):
    whole = list(shuffled(corpus, batch_cells=8, seed=3, epoch=2))
    assert len(whole) == 38
    rest = list(shuffled(corpus, batch_cells=8, seed=3, epoch=2, start=start))
    assert len(rest) == 38 - start
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(rest, whole[start:], strict=True))


def test_cells_of_like_length_share_a_batch(corpus_of, small_design):
    rng = np.random.default_rng(0)
    dense = rng.random((600, 200)) < rng.uniform(0.02, 0.9, size=(600, 1))
    corpus = corpus_of(dense.astype(int) + np.eye(600, 200, dtype=int), small_design(length=200))
    batches = list(shuffled(corpus, batch_cells=16, seed=0, epoch=0))
    padding = sum((~batch.real).sum() for batch in batches) / sum(batch.ids.numel() for batch in batches)
    lengths = corpus.tokens(np.arange(600)).lengths
    assert padding < 0.1 < 1 - lengths.mean() / lengths.max()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_rate_rises_then_falls_towards_zero(small_design, schedule):
    training = small_design(schedule=schedule, warmup=0.2, rate=1.0).size.training
    rates = np.array([rate_at(step, steps=100, training=training) for step in range(100)])
    np.testing.assert_allclose(rates[:20], np.arange(1, 21) / 20)
    assert (np.diff(rates[20:]) < 0).all()
    assert rates[60] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.02
    none = dataclasses.replace(training, warmup=0.0)
    assert rate_at(0, steps=1, training=none) == 1.0


def test_a_rate_that_stays_is_the_same_under_a_longer_budget(small_design):
    training = small_design(schedule="wsd", warmup=0.0, rate=1.0).size.training
    short, long = (np.array([rate_at(i, steps=n, training=training) for i in range(n)]) for n in (100, 200))
    assert (short[:80] == 1.0).all()
    np.testing.assert_array_equal(short[:80], long[:80])
    np.testing.assert_allclose(short[80:], 1 - np.arange(20) / 20)
    warm = dataclasses.replace(training, warmup=0.1)
    np.testing.assert_allclose(
        [rate_at(i, steps=100, training=warm) for i in (0, 4, 9, 10)], [0.1, 0.5, 1, 1]
    )


def test_an_embedding_depends_on_its_cell_alone(corpus, small_design):
    torch.manual_seed(0)
    network = build(small_design(), vocabulary=len(corpus.tokenise.vocabulary), specials=2)
    options = {"device": CPU}
    whole = embed(network.encoder, corpus, batch_cells=32, **options)
    assert whole.shape == (300, 16)
    assert whole.dtype == np.float32
    order = np.random.default_rng(0).permutation(300)
    mixed = dataclasses.replace(corpus, counts=corpus.counts.take(order))
    np.testing.assert_allclose(
        embed(network.encoder, mixed, batch_cells=7, **options), whole[order], atol=1e-5
    )
    for i in (0, 17):
        alone = dataclasses.replace(corpus, counts=corpus.counts.take(np.array([i])))
        np.testing.assert_allclose(
            embed(network.encoder, alone, batch_cells=1, **options)[0], whole[i], atol=1e-5
        )


def test_whole_units_are_held_out():
    units = np.repeat([f"u{i}" for i in range(12)], [30, 3, 4, 50, 20, 9, 9, 9, 1, 2, 3, 60])
    shares = []
    for seed in range(50):
        chosen = held_out_units(units, seed=seed)
        assert not set(units[chosen]) & set(units[~chosen])
        shares.append(chosen.mean())
    assert 0.05 <= min(shares) < max(shares) <= 0.2
    assert not held_out_units(np.repeat(["a", "b"], 50), seed=0).any()
