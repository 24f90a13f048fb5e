import pytest
import torch
from torch.nn import functional as F

from models.transformer.checkpoint import build
from models.transformer.objectives import Masked, mask_genes


def masks(ids, *, seed=0, ratio=0.15):
    generator = torch.Generator().manual_seed(seed)
    return mask_genes(ids, ratio=ratio, specials=4, vocabulary=1000, generator=generator)


def test_fifteen_in_hundred_and_eight_one_one():
    torch.manual_seed(0)
    ids = torch.randint(4, 1000, (400, 500))
    found = masks(ids)
    assert found.chosen.float().mean() == pytest.approx(0.15, abs=0.005)
    inputs, targets = found.inputs[found.chosen], ids[found.chosen]
    assert (inputs == 1).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (inputs == targets).float().mean() == pytest.approx(0.1, abs=0.01)
    random = inputs[(inputs != 1) & (inputs != targets)]
    assert random.min() >= 4
    assert len(random.unique()) > 900
    assert torch.equal(found.inputs[~found.chosen], ids[~found.chosen])


def test_padding_and_special_tokens_are_never_chosen():
    ids = torch.tensor([[2, 10, 11, 3, 0, 0]]).repeat(200, 1)
    assert not masks(ids, ratio=0.9).chosen[:, [0, 3, 4, 5]].any()


def test_something_is_always_chosen():
    ids = torch.tensor([[2, 10, 0]])
    assert all(masks(ids, seed=seed).chosen.tolist() == [[False, True, False]] for seed in range(20))


def test_a_function_of_ids_and_seed():
    ids = torch.arange(4, 104).view(2, 50)
    assert torch.equal(masks(ids, seed=3).inputs, masks(ids, seed=3).inputs)
    assert not torch.equal(masks(ids, seed=3).chosen, masks(ids, seed=4).chosen)


@pytest.fixture(scope="module")
def network(small_design):
    torch.manual_seed(0)
    return build(small_design(), vocabulary=30, specials=2).eval()


@pytest.fixture
def batch(network):
    ids = torch.randint(2, 30, (4, 12), generator=torch.Generator().manual_seed(1))
    return ids, network.mask(ids, seed=5)


def test_loss_is_cross_entropy_of_all_logits_at_the_chosen_places(network, batch):
    ids, masked = batch
    hidden = network.norm(F.relu(network.transform(network.encoder(masked.inputs))))
    logits = hidden @ network.encoder.genes.weight.T + network.bias
    loss, n = network(ids, masked)
    expected = -logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0][masked.chosen].sum()
    torch.testing.assert_close(loss, expected)
    assert n == masked.chosen.sum()


def test_an_unmasked_target_does_not_count(network, batch):
    ids, masked = batch
    other = torch.where(masked.chosen, ids, (ids - 2 + 7) % 28 + 2)
    assert not torch.equal(other, ids)
    assert torch.equal(network(other, masked)[0], network(ids, masked)[0])
    changed = torch.where(masked.chosen, (ids - 2 + 7) % 28 + 2, ids)
    assert not torch.equal(network(changed, masked)[0], network(ids, masked)[0])


def test_padding_does_not_change_the_loss(network, batch):
    ids, masked = batch
    longer = Masked(F.pad(masked.inputs, (0, 5)), F.pad(masked.chosen, (0, 5)))
    torch.testing.assert_close(network(F.pad(ids, (0, 5)), longer)[0], network(ids, masked)[0])
