"""Bytes over HTTP: resumed where they broke off, checked, and put in place at once or not at all."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from atlas.web import Interrupted, Patience, SourceFailed, bare, request, with_retries
from contract.files import read_json, sha256, write_json

CHUNK = 1 << 20
MAX_BYTES = 64 << 30
_SECONDS_A_LINE = 10.0


def download(
    url: str,
    path: Path,
    *,
    expected_bytes: int | None = None,
    expected_sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> str:
    """Download ``url`` to ``path`` and return the SHA-256 of its bytes.

    What has arrived stays in ``<path>.part`` when a transfer fails, and the next
    call goes on from there. ``path`` appears only when length and hash are right.

    Raises
    ------
    SourceFailed
        If the server refuses, lies about the length, sends other bytes than
        expected or more than ``max_bytes``, or stays unreachable.
    """
    part = _Part(path, url)
    with_retries(
        lambda: _transfer(url, part, expected=expected_bytes, cap=max_bytes, patience=patience),
        patience=patience,
        progress=part.reached,
    )
    found = sha256(part.file)
    if expected_sha256 is not None and found != expected_sha256:
        part.discard()
        raise SourceFailed(
            f"{bare(url)}: found SHA-256 {found}, expected {expected_sha256}; the bytes were dropped"
        )
    os.replace(part.file, path)
    part.discard()
    return found


class _Part:
    """The bytes that have arrived (``.part``) and the version they are of (``.part.json``)."""

    def __init__(self, path: Path, url: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.with_name(path.name + ".part")
        self._tag_file = path.with_name(path.name + ".part.json")
        self._url = bare(url)
        self._most = 0
        known = read_json(self._tag_file) if self._tag_file.is_file() else {}
        self.tag: str | None = known.get("tag")
        if known.get("url") != self._url:
            self.discard()

    def size(self) -> int:
        """Bytes held now."""
        return self.file.stat().st_size if self.file.exists() else 0

    def reached(self) -> int:
        """Most bytes ever held: a server that starts over each time makes no progress."""
        self._most = max(self._most, self.size())
        return self._most

    def label(self, tag: str | None) -> None:
        """Remember which version (ETag) the bytes are of, before the first of them arrives."""
        self.tag = tag
        write_json(self._tag_file, {"url": self._url, "tag": tag})

    def discard(self) -> None:
        """Forget the bytes."""
        self.file.unlink(missing_ok=True)
        self._tag_file.unlink(missing_ok=True)


def _transfer(url: str, part: _Part, *, expected: int | None, cap: int, patience: Patience) -> None:
    """Fetch what is missing of ``part``; return when it is whole."""
    held = part.size()
    headers = {"Range": f"bytes={held}-"} if held else {}
    with request(url, patience=patience, headers=headers) as response:
        start, total = _where(response, part, held)
        _check_total(url, total, expected=expected, cap=cap, start=start, folder=part.file.parent)
        if response.status_code != 416:
            limit = min(cap, expected) if expected is not None else cap
            _receive(response, part, start=start, total=total, limit=limit, patience=patience)
    size, whole = part.size(), total if total is not None else expected
    if whole is not None and size < whole:
        raise Interrupted(f"{bare(url)}: cut after {size} of {whole} bytes")


def _where(response: requests.Response, part: _Part, held: int) -> tuple[int, int | None]:
    """Return where the body starts and how long the whole is; start over if it is not our continuation."""
    tag = response.headers.get("ETag")
    first, total = _content_range(response.headers.get("Content-Range", ""))
    if response.status_code == 416:
        if total == held > 0:
            return held, total
    elif response.status_code == 206:
        if first == held and tag == part.tag:
            return held, total
    else:
        length = response.headers.get("Content-Length", "")
        part.discard()
        part.label(tag)
        return 0, int(length) if length.isdigit() else None
    part.discard()
    raise Interrupted(
        f"{bare(response.url)}: what it offers does not continue the {held} bytes held; starting over"
    )


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Read ``bytes 5-9/10`` as (5, 10) and ``bytes */10`` as (None, 10)."""
    span, _, total = text.removeprefix("bytes ").partition("/")
    first = span.partition("-")[0]
    return (int(first) if first.isdigit() else None, int(total) if total.isdigit() else None)


def _check_total(
    url: str, total: int | None, *, expected: int | None, cap: int, start: int, folder: Path
) -> None:
    if total is None:
        return
    if expected is not None and total != expected:
        raise SourceFailed(f"{bare(url)}: the server offers {total} bytes, expected {expected}")
    if total > cap:
        raise SourceFailed(f"{bare(url)}: {total} bytes, more than the limit of {cap}")
    free = shutil.disk_usage(folder).free
    if total - start > free:
        raise SourceFailed(
            f"{bare(url)}: {total - start} bytes are still to come and the disk has {free} left"
        )


def _receive(
    response: requests.Response, part: _Part, *, start: int, total: int | None, limit: int, patience: Patience
) -> None:
    size, window, since = start, 0, time.monotonic()
    with open(part.file, "r+b" if start else "wb") as file, progress_bar(start, total) as advance:
        file.seek(start)
        while block := response.raw.read1(CHUNK, decode_content=False):
            size += len(block)
            if size > limit:
                part.discard()
                raise SourceFailed(f"{bare(response.url)}: sends more than the {limit} bytes expected")
            file.write(block)
            advance(len(block))
            window += len(block)
            elapsed = time.monotonic() - since
            if elapsed > patience.stall:
                if window < patience.slowest * elapsed:
                    raise Interrupted(f"{bare(response.url)}: {window} bytes in {elapsed:.0f} s is a stall")
                window, since = 0, time.monotonic()


@contextmanager
def progress_bar(start: int, total: int | None) -> Iterator[Callable[[int], object]]:
    """Yield a function that is told how many bytes came: a bar on a terminal, else a line every 10 s."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(initial=start, total=total, unit="B", unit_scale=True) as bar:
            yield bar.update
        return
    done, last = start, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= _SECONDS_A_LINE:
            last = time.monotonic()
            print(
                f"{done / 1e6:.1f} of {total / 1e6 if total else float('nan'):.1f} MB",
                file=sys.stderr,
                flush=True,
            )

    yield advance
