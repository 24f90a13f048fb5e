"""A server on loopback, little patience, and some bytes."""

import threading
from collections.abc import Iterator

import pytest
from lying_server import Server

from atlas.web import Patience


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


@pytest.fixture
def hasty() -> Patience:
    """Little patience, so that tests are fast."""
    return Patience(attempts=3, first_wait=0.01, longest_wait=0.05, connect=2, stall=0.5, gain_bytes=1000)


@pytest.fixture(scope="session")
def body() -> bytes:
    """Bytes in which no two stretches are alike, behind the signature of HDF5."""
    return b"\x89HDF\r\n\x1a\n" + b"".join(i.to_bytes(4, "big") for i in range(50_000))
