import dataclasses

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from models.transformer.choices import Backbone, Size, Training
from models.transformer.gene_vectors import codetection
from models.transformer.heads import truncated_poisson, zinb
from models.transformer.mamba import Mamba2, scan
from models.transformer.mixers import Attention, Performer, ReluKernel, Retention
from models.transformer.sight import see

TRAINING = Training(
    epochs=1.0, batch_cells=1, rate=1.0, warmup=0.0, schedule="linear", decay=0.0, clip=1.0, dropout=0.0
)
SIZE = Size(layers=1, width=12, heads=3, hidden=0, length=64, training=TRAINING, features=4096, state=5)
BACKBONE = Backbone(mixer="softmax", mask="full", norm="post", feed="none", eps=1e-6, init_std=0.02)


@pytest.fixture
def x():
    return torch.randn(2, 9, 12, generator=torch.Generator().manual_seed(1))


REAL = torch.arange(9) < torch.tensor([[9], [5]])
MIXERS = {
    "softmax": Attention(BACKBONE, SIZE),
    "performer": Performer(BACKBONE, SIZE),
    "retention": Retention(BACKBONE, SIZE),
    "relu_kernel": ReluKernel(BACKBONE, SIZE),
    "mamba2": Mamba2(SIZE, eps=1e-6),
}


@pytest.mark.parametrize("name", MIXERS)
def test_padding_is_not_seen(name, x):
    mixer = MIXERS[name]
    padded = mixer(x, see(REAL, mask="full"))[1, :5]
    alone = mixer(x[1:, :5], see(REAL[1:, :5], mask="full"))[0]
    torch.testing.assert_close(padded, alone, atol=2e-5, rtol=1e-4)


def test_performer_approaches_softmax_attention(x):
    torch.manual_seed(0)
    exact, near = Attention(BACKBONE, SIZE), Performer(BACKBONE, SIZE)
    near.load_state_dict(exact.state_dict(), strict=False)
    sight = see(REAL, mask="full")
    found, expected = near(x, sight)[REAL], exact(x, sight)[REAL]
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_retention_is_its_definition(x):
    torch.manual_seed(0)
    mixer = Retention(BACKBONE, SIZE)
    hidden = torch.zeros(2, 9, dtype=torch.bool)
    hidden[:, 3] = True
    found = mixer(x, see(REAL, mask="full", hidden=hidden))
    for b, n in ((0, 9), (1, 5)):
        heads = []
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            q, k = (F.relu(f(x[b, :n])[:, part]) / 2 for f in (mixer.query, mixer.key))
            v = mixer.value(x[b, :n])[:, part] / (n - 1) ** 0.5
            y = sum(torch.outer(q @ k[s], v[s]) for s in range(n) if s != 3)
            heads.append(y / (y.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt())
        expected = mixer.out(torch.cat(heads, 1) * F.silu(mixer.gate(x[b, :n])))
        torch.testing.assert_close(found[b, :n], expected, atol=1e-5, rtol=1e-4)


def test_relu_kernel_looks_back_only(x):
    mixer, sight = MIXERS["relu_kernel"], see(torch.ones(2, 9, dtype=torch.bool), mask="causal")
    other = x.clone()
    other[:, 5:] += 1
    torch.testing.assert_close(mixer(other, sight)[:, :5], mixer(x, sight)[:, :5])


@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_a_scan_in_chunks_is_the_recurrence(chunk):
    torch.manual_seed(0)
    v, decay = torch.randn(2, 11, 3, 4), -torch.rand(2, 11, 3)
    into, out = torch.randn(2, 11, 5), torch.randn(2, 11, 5)
    state, expected = torch.zeros(2, 3, 4, 5), []
    for t in range(11):
        state = state * decay[:, t].exp()[..., None, None] + v[:, t, :, :, None] * into[:, t, None, None]
        expected.append((state * out[:, t, None, None]).sum(-1))
    found = scan(v, decay, into, out, chunk=chunk)
    torch.testing.assert_close(found, torch.stack(expected, 1), atol=1e-5, rtol=1e-4)


def test_mamba_reads_both_ways(x):
    mixer, sight = MIXERS["mamba2"], see(torch.ones(2, 9, dtype=torch.bool), mask="full")
    torch.testing.assert_close(mixer(x.flip(1), sight).flip(1), mixer(x, sight), atol=1e-5, rtol=1e-4)
    other = x.clone()
    other[:, 8] += 1
    assert not torch.allclose(mixer(other, sight)[:, 0], mixer(x, sight)[:, 0], atol=1e-6)


def test_bent_attention_is_softmax_attention_without_cap_and_bias(x):
    mixer, sight = MIXERS["softmax"], see(REAL, mask="causal")
    plain = mixer(x, sight)
    nothing = dataclasses.replace(sight, bias=torch.zeros(2, 1, 9, 9))
    torch.testing.assert_close(mixer(x, nothing)[REAL], plain[REAL], atol=1e-6, rtol=1e-5)
    counts = torch.rand(2, 9) * 20
    assert not torch.allclose(mixer(x, see(REAL, mask="causal", weight=counts))[REAL], plain[REAL], atol=1e-3)


def test_counts_are_scored_as_scipy_does():
    torch.manual_seed(0)
    counts = torch.poisson(torch.rand(3, 7) * 6)
    genes = torch.arange(7) < torch.tensor([[7], [4], [5]])
    found = torch.randn(3, 7, 3)
    loss, n = zinb(found, counts, genes=genes, where=genes)
    expected = 0.0
    for b in range(3):
        keep = genes[b]
        mean = found[b, keep, 0].softmax(-1) * counts[b, keep].sum()
        size, extra = found[b, keep, 1].exp(), found[b, keep, 2].sigmoid()
        chance = stats.nbinom.pmf(counts[b, keep].numpy(), size.numpy(), (size / (size + mean)).numpy())
        chance = (1 - extra.numpy()) * chance + extra.numpy() * (counts[b, keep].numpy() == 0)
        expected -= torch.log(torch.tensor(chance)).sum()
    assert n == genes.sum()
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)


def test_truncated_counts_are_scored_as_scipy_does():
    torch.manual_seed(0)
    counts, logits = torch.poisson(torch.rand(2, 6) * 4) + 1, torch.randn(2, 6)
    where = torch.arange(6) < torch.tensor([[6], [4]])
    loss, _ = truncated_poisson(logits, counts, where=where)
    expected = 0.0
    for b, n in ((0, 6), (1, 4)):
        mean = (logits[b, :n].softmax(-1) * counts[b, :n].sum()).numpy()
        x = counts[b, :n].numpy()
        expected -= (stats.poisson.logpmf(x, mean) - stats.poisson.logsf(0, mean)).sum()
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_gene_vectors_are_the_principal_directions_of_detection(programmes, corpus_of, small_design):
    corpus = corpus_of(programmes(300)[0], small_design())
    vocabulary = corpus.tokenise.vocabulary
    found = codetection(corpus.counts, corpus.columns, vocabulary=vocabulary, width=3)
    detected = torch.zeros(300, 40)
    detected[corpus.counts.rows, corpus.counts.indices] = 1
    share = detected.mean(0)
    centred = (detected - share) / (share * (1 - share)).clamp(min=1e-4).sqrt()
    _, strength, turn = torch.linalg.svd(centred.double(), full_matrices=False)
    expected = F.normalize(turn[:3].T * strength[:3], dim=1).float()
    torch.testing.assert_close(found.abs(), expected.abs(), atol=2e-3, rtol=1e-2)
    near = found @ found.T
    same = torch.arange(40)[:, None] // 10 == torch.arange(40) // 10
    assert near[same].mean() > 0.8
    assert near[~same].mean() < 0.1
    wide = codetection(corpus.counts, corpus.columns, vocabulary=vocabulary, width=64)
    assert wide.shape == (40, 64)
    assert not wide[:, 40:].any()
