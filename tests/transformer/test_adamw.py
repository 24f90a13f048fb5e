import copy

import pytest
import torch

from models.transformer.adamw import BETAS, AdamW

RATES = (1e-3, 3e-3, 2e-3, 1e-4)


def gradients(weights, *, step):
    """As of some objectives: one weight has a gradient at every other step, one never."""
    torch.manual_seed(step)
    for number, weight in enumerate(weights):
        absent = number == 2 or (number == 1 and step % 2)
        weight.grad = None if absent else torch.randn_like(weight) * 10.0 ** (number - step)


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in ((5, 7), (300,), (3,), ())]


def test_weights_are_those_of_torch_to_the_bit(weights):
    others = copy.deepcopy(weights)
    ours = AdamW(weights, decay=0.1)
    torchs = torch.optim.AdamW(others, betas=BETAS, weight_decay=0.1, fused=True)
    for step, rate in enumerate(RATES):
        gradients(weights, step=step)
        gradients(others, step=step)
        ours.step(rate=rate)
        torchs.param_groups[0]["lr"] = rate
        torchs.step()
        for weight, other in zip(weights, others, strict=True):
            assert torch.equal(weight, other)
    ours.forget_gradients()
    assert all(weight.grad is None for weight in weights)


def test_a_state_taken_up_goes_on_alike(weights):
    others = copy.deepcopy(weights)
    ours, again = AdamW(weights, decay=0.1), AdamW(others, decay=0.1)
    for step, rate in enumerate(RATES):
        if step == 2:
            again = AdamW(others, decay=0.1)
            again.take_up({name: moment.clone() for name, moment in ours.state().items()})
        for optimiser in (ours, again):
            gradients(optimiser.weights, step=step)
            optimiser.step(rate=rate)
    assert all(torch.equal(weight, other) for weight, other in zip(weights, others, strict=True))
    assert set(ours.state()) == {
        f"{i}.{name}" for i in (0, 1, 3) for name in ("step", "exp_avg", "exp_avg_sq")
    }


def test_a_step_without_a_gradient_moves_nothing(weights):
    before = copy.deepcopy(weights)
    AdamW(weights, decay=0.1).step(rate=1.0)
    assert all(torch.equal(weight, other) for weight, other in zip(weights, before, strict=True))
