"""The demo study, run once for the session."""

from pathlib import Path

import pytest
from harness import clone, run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo study, run once for the session."""
    where = clone(tmp_path_factory.mktemp("demo"))
    done = run(where)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    assert "The page: " in done.stdout
    return where
