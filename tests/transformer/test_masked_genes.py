import dataclasses

import pytest
import torch
from torch.nn import functional as F

from models.transformer.batch import Batch
from models.transformer.checkpoint import build
from models.transformer.choices import Masking
from models.transformer.masking import Masked, hide

BERT = Masking(hide="gene", ratios=(0.15,), random=0.1, keep=0.1)


def batch_with(ids, values=None):
    values = torch.ones_like(ids, dtype=torch.float32) if values is None else values
    values = values.masked_fill(ids < 2, float("nan"))
    none = torch.zeros(len(ids), 0, dtype=torch.int64)
    return Batch(ids=ids, values=values, targets=values, counts=values, queries=none, answers=none)


def masks(ids, *, seed=0, masking=BERT, values=None, patch=1):
    generator = torch.Generator().manual_seed(seed)
    return hide(
        batch_with(ids, values), masking, specials=4, vocabulary=1000, generator=generator, patch=patch
    )


def test_fifteen_in_hundred_and_eight_one_one():
    torch.manual_seed(0)
    ids = torch.randint(4, 1000, (400, 500))
    found = masks(ids)
    assert found.chosen.float().mean() == pytest.approx(0.15, abs=0.005)
    inputs, targets = found.shown.ids[found.chosen], ids[found.chosen]
    assert (inputs == 1).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (inputs == targets).float().mean() == pytest.approx(0.1, abs=0.01)
    random = inputs[(inputs != 1) & (inputs != targets)]
    assert random.min() >= 4
    assert len(random.unique()) > 900
    assert torch.equal(found.shown.ids[~found.chosen], ids[~found.chosen])
    assert found.shown.hidden is None


def test_padding_and_special_tokens_are_never_chosen():
    ids = torch.tensor([[2, 10, 11, 3, 0, 0]]).repeat(200, 1)
    always = dataclasses.replace(BERT, ratios=(0.9,))
    assert not masks(ids, masking=always).chosen[:, [0, 3, 4, 5]].any()


def test_something_is_always_chosen():
    ids = torch.tensor([[2, 10, 0]])
    assert all(masks(ids, seed=seed).chosen.tolist() == [[False, True, False]] for seed in range(20))


def test_a_function_of_ids_and_seed():
    ids = torch.arange(4, 104).view(2, 50)
    assert torch.equal(masks(ids, seed=3).shown.ids, masks(ids, seed=3).shown.ids)
    assert not torch.equal(masks(ids, seed=3).chosen, masks(ids, seed=4).chosen)


def test_hidden_values_leave_the_gene_and_zeros_have_their_own_share():
    torch.manual_seed(0)
    ids = torch.randint(4, 1000, (200, 400))
    values = torch.randint(0, 2, ids.shape).float()
    masking = Masking(hide="value", ratios=(0.3,), zeros=0.03, keep=0.2, random=0.1)
    found = masks(ids, masking=masking, values=values)
    assert torch.equal(found.shown.ids, ids)
    assert found.chosen[values > 0].float().mean() == pytest.approx(0.3, abs=0.01)
    assert found.chosen[values == 0].float().mean() == pytest.approx(0.03, abs=0.005)
    assert not (found.shown.hidden & ~found.chosen).any()
    assert found.shown.hidden[found.chosen].float().mean() == pytest.approx(0.7, abs=0.02)
    assert torch.equal(found.shown.values[~found.chosen], values[~found.chosen])


def test_a_share_is_drawn_for_each_cell():
    ids = torch.randint(4, 1000, (300, 400), generator=torch.Generator().manual_seed(0))
    some = masks(ids, masking=Masking(hide="value", ratios=(0.25, 0.75))).chosen.float().mean(1)
    assert {round(share.item() * 4) for share in some} == {1, 3}
    between = masks(ids, masking=Masking(hide="value", ratios=(0.0, 1.0), spread="between"))
    shares = between.chosen.float().mean(1)
    assert shares.std() == pytest.approx(12**-0.5, abs=0.03)


def test_patches_are_hidden_whole():
    ids = torch.arange(4, 104).repeat(50, 1)
    chosen = masks(ids, masking=Masking(hide="value", ratios=(0.5,)), patch=8).chosen
    whole = chosen[:, :96].view(50, 12, 8).float().mean(-1)
    assert set(whole.unique().tolist()) == {0.0, 1.0}


@pytest.fixture(scope="module")
def network(small_design):
    torch.manual_seed(0)
    return build(small_design(), vocabulary=30, specials=2).eval()


@pytest.fixture
def batch(network):
    ids = torch.randint(2, 30, (4, 12), generator=torch.Generator().manual_seed(1))
    whole = batch_with(ids)
    return whole, network.mask(whole, seed=5)


def loss_of(network, batch, masked):
    return network(batch, masked)["gene"]


def test_loss_is_cross_entropy_of_all_logits_at_the_chosen_places(network, batch):
    whole, masked = batch
    head, table = network.heads["gene"], network.encoder.embed.genes.table.weight
    hidden = head.norm(F.relu(head.transform(network.encoder(masked.shown).hidden)))
    logits = hidden @ table.T + head.bias
    loss, n = loss_of(network, whole, masked)
    expected = -logits.log_softmax(-1).gather(-1, whole.ids[..., None])[..., 0][masked.chosen].sum()
    torch.testing.assert_close(loss, expected)
    assert n == masked.chosen.sum()


def test_padding_does_not_change_the_loss(network, batch):
    whole, masked = batch
    padded = batch_with(F.pad(whole.ids, (0, 5)))
    longer = Masked(batch_with(F.pad(masked.shown.ids, (0, 5))), F.pad(masked.chosen, (0, 5)))
    torch.testing.assert_close(loss_of(network, padded, longer)[0], loss_of(network, whole, masked)[0])
