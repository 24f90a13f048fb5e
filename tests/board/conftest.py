"""One browser for all tests that want one, and the pages that they look at."""

from collections.abc import Iterator

import pytest
from browser import Browser, chromium, missing


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
