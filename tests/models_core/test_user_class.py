"""A class of the user's, as `docs/add_a_model.md` shows it: what it draws is drawn from the run's seed."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import call

from contract.outcome import Outcome

CARD = {"source": "doi", "revision": "v1", "license": "MIT", "pretrained_on": [], "saw": ["counts"]}
MODULE = """
import random
import numpy as np

class Drawn:
    def __init__(self):
        import torch
        self.directions = np.stack([np.random.rand(150), torch.rand(150).numpy(), [random.random()] * 150], 1)

    def fit(self, train, *, seed):
        return self

    def embed(self, cells):
        return np.asarray(cells.X @ self.directions, dtype=np.float32)
"""


@pytest.fixture
def embed(tmp_path: Path, prepared: Path, monkeypatch):
    (tmp_path / "drawing.py").write_text(MODULE)
    entry = {"adapter": "drawing:Drawn", "stochastic": True, "card": CARD}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": {"drawn": entry}}))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(seed: int) -> np.ndarray:
        out = tmp_path / "out"
        arguments = ["--models", tmp_path / "models.yaml", "--model", "drawn", "--fit", "none"]
        done = call("embed", *arguments, "--seed", str(seed), "--data", prepared, "--out", out)
        assert Outcome.read(out / "outcome.json").status == "ok", done.stderr
        return np.load(out / "embedding.npy", allow_pickle=False)

    return run


def test_what_is_drawn_when_it_is_made_follows_the_seed(embed) -> None:
    first, again, other = embed(1), embed(1), embed(2)
    np.testing.assert_array_equal(first, again)
    for column in range(3):
        assert not np.array_equal(first[:, column], other[:, column])
