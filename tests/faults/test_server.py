"""Servers that speak no HTTP, or hardly: each ends in one line, within its time, and leaves no file."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas.download import download
from atlas.web import Patience, SourceFailed

HASTY = Patience(attempts=2, first_wait=0.01, longest_wait=0.02, connect=1.0, stall=0.5, slowest=1)
OK = b"HTTP/1.1 200 OK\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
ANSWERS = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "a status of words": b"HTTP/1.1 abc OK\r\n\r\n",
    "a header without end": OK + b"X-Long: " + b"a" * 200_000,
    "ten thousand headers": OK + b"".join(b"X-%d: y\r\n" % i for i in range(10_000)) + b"\r\n",
    "chunks of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "chunks of a negative size": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n",
    "a part nobody asked for": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\n"
    b"Content-Length: 5\r\n\r\nabcde",
    "a redirect to nowhere": FOUND + b"Location: \r\n\r\n",
    "a redirect into the disk": FOUND + b"Location: file:///etc/passwd\r\n\r\n",
}


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, float], str]]:
    """Answer each connection with these bytes, then hang up after a while; the address is returned."""
    listener = socket.create_server(("127.0.0.1", 0))

    def start(answer: bytes, silence: float = 0.0) -> str:
        def loop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65_536)
                        connection.sendall(answer)
                        time.sleep(silence)
                    except OSError:
                        continue

        threading.Thread(target=loop, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/f.h5ad"

    yield start
    listener.close()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_http(serve, tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "source.h5ad"
    with pytest.raises(SourceFailed) as error:
        download(serve(answer), path, expected_bytes=10, patience=HASTY)
    assert "\n" not in str(error.value)
    assert not path.exists()


def test_a_server_that_never_answers(serve, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(SourceFailed, match="gave up"):
        download(serve(b"", 5.0), tmp_path / "source.h5ad", patience=HASTY)
    assert time.monotonic() - start < 10


def test_nothing_is_unpacked_on_the_way(serve, tmp_path: Path) -> None:
    """A megabyte of zeros in a kilobyte: the bytes that came are counted and kept, not what they grow to."""
    packed = gzip.compress(bytes(1 << 20))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    path = tmp_path / "source.h5ad"
    download(serve(head + packed), path, max_bytes=5000, patience=HASTY)
    assert path.read_bytes() == packed
