"""One browser for all tests that want one, and the pages that they look at."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, chromium, missing

sys.path.append(str(Path(__file__).resolve().parents[1] / "faults"))  # fuzzing.py


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium; without one the skip says what to install."""
    lacking = missing()
    if lacking:
        pytest.skip(
            f"NO BROWSER: the page was not driven, for want of {lacking}; "
            "apt-get install chromium chromium-driver"
        )
    with chromium() as found:
        yield found
