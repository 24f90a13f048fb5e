"""HTTP with patience: one GET, what may be tried again and what may not."""

import email.utils
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

T = TypeVar("T")
_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5


class SourceFailed(Exception):
    """The source cannot be had (gone, wrong bytes, network down): a result, told in one line."""


class Absent(SourceFailed):
    """The server knows no such thing, or does not show it: another address may."""


class Withdrawn(SourceFailed):
    """The publisher took it back: a pinned copy may not be used either."""


class Interrupted(Exception):
    """A transfer broke off and may be tried again, after ``wait`` seconds if the server named a time."""

    def __init__(self, reason: str, *, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to put up with a bad connection; times in seconds.

    ``attempts`` is counted since the last gain of ``gain_bytes``, so that a large
    file survives many cuts. A window of ``stall`` seconds with fewer than
    ``slowest`` bytes a second is a stall, which is broken off and resumed.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    connect: float = 15.0
    stall: float = 60.0
    slowest: int = 1000
    gain_bytes: int = 1 << 20

    def wait(self, failures: int) -> float:
        """Exponential back-off with jitter: half to all of 1, 2, 4 … ``first_wait``, up to the longest."""
        return min(self.first_wait * 2 ** (failures - 1), self.longest_wait) * random.uniform(0.5, 1.0)


def with_retries(
    action: Callable[[], T], *, patience: Patience, progress: Callable[[], int] = lambda: 0
) -> T:
    """Call ``action`` until it returns; an ``Interrupted`` is waited out, up to ``patience.attempts``.

    ``progress`` tells the bytes held after a failure; a gain forgives the failures before it.
    """
    failures, held = 0, progress()
    while True:
        try:
            return action()
        except Interrupted as error:
            now = progress()
            if now >= held + patience.gain_bytes:
                failures, held = 0, now
            failures += 1
            if failures >= patience.attempts:
                raise SourceFailed(f"{error} (gave up after {failures} attempts)") from None
            wait = patience.wait(failures) if error.wait is None else min(error.wait, patience.longest_wait)
            print(f"{error}; trying again in {wait:.0f} s", file=sys.stderr, flush=True)
            time.sleep(wait)


@contextmanager
def request(
    url: str, *, patience: Patience, headers: dict[str, str] | None = None
) -> Iterator[requests.Response]:
    """Open one GET whose body is still to be read; redirects stay on their host.

    Raises ``Interrupted`` for what may pass (429, 5xx, a broken connection) and
    ``SourceFailed`` for what will not (other errors, a redirect elsewhere).
    """
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        with requests.Session() as session:
            for _ in range(_MAX_REDIRECTS):
                response = session.get(
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=(patience.connect, patience.stall),
                )
                if response.status_code not in _REDIRECTS:
                    break
                url = _same_host(url, response.headers.get("Location", ""))
            else:
                raise SourceFailed(f"{bare(url)}: more than {_MAX_REDIRECTS} redirects")
            _check_status(response)
            yield response
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(f"{bare(url)}: the connection broke ({type(error).__name__})") from None


def _same_host(url: str, location: str) -> str:
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise SourceFailed(
            f"{bare(url)}: redirected to {there.scheme}://{there.netloc}, another host; it is not followed"
        )
    return target


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in (200, 206, 416):
        return
    what = f"{bare(response.url)}: HTTP {status} {response.reason or ''}".strip()
    if status == 429 or status >= 500:
        raise Interrupted(what, wait=_retry_after(response.headers.get("Retry-After")))
    kinds = {
        403: (Absent, ": access refused"),
        404: (Absent, ": no such thing there"),
        410: (Withdrawn, ": withdrawn by its publisher"),
    }
    kind, meaning = kinds.get(status, (SourceFailed, ""))
    raise kind(what + meaning)


def bare(url: str) -> str:
    """Drop the query, which holds the signature of a presigned link."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _retry_after(text: str | None) -> float | None:
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
