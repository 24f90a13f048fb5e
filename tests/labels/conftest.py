"""A prepared data set and a catalogue for everything that learns from labels."""

from pathlib import Path

import pytest
from labelled_cells import MODELS, simulate, write


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "toy", *simulate())


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "models.yaml"
    path.write_text(MODELS)
    return path
