"""Downloads against a server that misbehaves in every way that was seen or feared."""

import hashlib
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from lying_server import chunked, ignoring_ranges, ranged, slow, status

from atlas import download as module
from atlas.download import download
from atlas.web import Patience, SourceFailed, _retry_after


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "source.h5ad"


def leftovers(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir())


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_a_good_server(server, hasty, path, body):
    url = server.put("/f", ranged(body))
    assert download(url, path, expected_bytes=len(body), expected_sha256=sha(body), patience=hasty) == sha(
        body
    )
    assert path.read_bytes() == body
    assert leftovers(path) == ["source.h5ad"]
    assert server.ranges("/f") == [None]


def test_cut_connections_are_resumed_where_they_broke_off(server, hasty, path, body):
    url = server.put("/f", ranged(body, cut=70_000), ranged(body, cut=50_000), ranged(body))
    download(url, path, expected_bytes=len(body), patience=hasty)
    assert path.read_bytes() == body
    assert server.ranges("/f") == [None, "bytes=70000-", "bytes=120000-"]


def test_many_cuts_with_progress_are_forgiven(server, hasty, path, body):
    url = server.put("/f", *[ranged(body, cut=20_000)] * 9, ranged(body))
    download(url, path, patience=hasty)
    assert path.read_bytes() == body


def test_the_next_call_goes_on_from_the_part(server, hasty, path, body):
    url = server.put("/f", ranged(body, cut=70_000), status(500))
    with pytest.raises(SourceFailed, match="HTTP 500"):
        download(url, path, patience=hasty)
    assert not path.exists()
    server.put("/f", ranged(body))
    download(url + "?signature=another", path, patience=hasty)
    assert server.ranges("/f")[-1] == "bytes=70000-"
    assert path.read_bytes() == body


def test_a_part_of_another_address_is_not_continued(server, hasty, path, body):
    first = server.put("/first", ranged(body, cut=70_000), status(404))
    with pytest.raises(SourceFailed):
        download(first, path, patience=hasty)
    other = body[::-1]
    download(server.put("/other", ranged(other)), path, patience=hasty)
    assert path.read_bytes() == other
    assert server.ranges("/other") == [None]


def test_a_file_replaced_midway_is_fetched_anew(server, hasty, path, body):
    new = body[::-1]
    url = server.put("/f", ranged(body, cut=70_000), ranged(new, tag='"2"'))
    download(url, path, patience=hasty)
    assert path.read_bytes() == new


def test_a_wrong_first_byte_is_not_glued_on(server, hasty, path, body):
    url = server.put("/f", ranged(body, cut=70_000), ranged(body, first=69_999), ranged(body))
    download(url, path, patience=hasty)
    assert path.read_bytes() == body
    assert server.ranges("/f") == [None, "bytes=70000-", None]


def test_a_server_that_ignores_ranges_starts_over_cleanly(server, hasty, path, body):
    url = server.put("/f", ignoring_ranges(body, cut=70_000), ignoring_ranges(body))
    download(url, path, patience=hasty)
    assert path.read_bytes() == body


def test_starting_over_for_ever_is_no_progress(server, hasty, path, body):
    url = server.put("/f", ignoring_ranges(body, cut=70_000))
    with pytest.raises(SourceFailed, match=r"cut|broke"):
        download(url, path, patience=hasty)
    assert len(server.seen["/f"]) <= 2 * hasty.attempts
    assert not path.exists()


def test_an_announced_length_that_never_comes(server, hasty, path, body):
    url = server.put("/f", ignoring_ranges(body, announced=len(body) + 10))
    with pytest.raises(SourceFailed, match=f"after {len(body)} of {len(body) + 10} bytes|broke"):
        download(url, path, patience=hasty)
    assert not path.exists()


@pytest.mark.parametrize("lie", [-1, 1])
def test_a_length_that_is_not_the_expected_one(server, hasty, path, body, lie):
    url = server.put("/f", ranged(body))
    with pytest.raises(SourceFailed, match=f"offers {len(body)} bytes, expected {len(body) + lie}"):
        download(url, path, expected_bytes=len(body) + lie, patience=hasty)
    assert len(server.seen["/f"]) == 1
    assert not path.exists()


def test_more_than_the_cap_is_refused_before_and_during(server, hasty, path, body):
    url = server.put("/f", ranged(body))
    with pytest.raises(SourceFailed, match="limit of 1000"):
        download(url, path, max_bytes=1000, patience=hasty)
    url = server.put("/chunks", chunked(body, size=4096))
    with pytest.raises(SourceFailed, match="more than the 1000 bytes"):
        download(url, path, max_bytes=1000, patience=hasty)
    assert leftovers(path) in ([], ["source.h5ad.part.json"])


def test_chunks_without_a_length(server, hasty, path, body):
    url = server.put("/f", chunked(body, size=4096, cut=40_000), chunked(body, size=4096))
    download(url, path, patience=hasty)
    assert path.read_bytes() == body


def test_chunks_that_end_too_soon(server, hasty, path, body):
    url = server.put("/f", chunked(body[:40_000], size=4096), chunked(body, size=4096))
    download(url, path, expected_bytes=len(body), patience=hasty)
    assert path.read_bytes() == body
    assert server.ranges("/f")[1] == "bytes=40000-"


def test_wrong_bytes_are_dropped(server, hasty, path, body):
    url = server.put("/f", ranged(body[:-1] + b"?"))
    with pytest.raises(SourceFailed, match=f"found SHA-256 .*, expected {sha(body)}"):
        download(url, path, expected_sha256=sha(body), patience=hasty)
    assert leftovers(path) == []


def test_an_older_file_stays_when_the_new_one_fails(server, hasty, path, body):
    path.parent.mkdir()
    path.write_bytes(b"old")
    with pytest.raises(SourceFailed):
        download(server.put("/f", status(410)), path, patience=hasty)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "word"), [(404, "no such"), (410, "withdrawn"), (403, "refused"), (400, "400")]
)
def test_what_will_not_pass_is_asked_once(server, hasty, path, code, word):
    with pytest.raises(SourceFailed, match=word):
        download(server.put("/f", status(code)), path, patience=hasty)
    assert len(server.seen["/f"]) == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(server, hasty, path, body, code):
    download(server.put("/f", status(code), status(code), ranged(body)), path, patience=hasty)
    assert path.read_bytes() == body
    with pytest.raises(SourceFailed, match=f"HTTP {code} .*gave up after 3 attempts"):
        download(server.put("/g", status(code)), path, patience=hasty)
    assert len(server.seen["/g"]) == 3


def test_retry_after_is_honoured_and_capped(server, path, body):
    url = server.put("/f", status(429, Retry_After=1), ranged(body))
    began = time.monotonic()
    download(url, path, patience=Patience(first_wait=0.001))
    assert time.monotonic() - began >= 1
    url = server.put("/g", status(429, Retry_After=3600), ranged(body))
    began = time.monotonic()
    download(url, path, patience=Patience(first_wait=0.001, longest_wait=0.1))
    assert time.monotonic() - began < 5


def test_retry_after_as_a_date():
    assert _retry_after(formatdate(time.time() + 100, usegmt=True)) == pytest.approx(100, abs=3)
    assert _retry_after(formatdate(0, usegmt=True)) == 0
    assert _retry_after("soon") is None


def test_waits_grow_and_are_capped():
    patience = Patience(first_wait=1, longest_wait=8)
    for failures, full in [(1, 1), (2, 2), (3, 4), (4, 8), (9, 8)]:
        waits = [patience.wait(failures) for _ in range(50)]
        assert full / 2 <= min(waits) <= max(waits) <= full
        assert len(set(waits)) > 1


def test_silence_is_a_stall(server, hasty, path, body):
    url = server.put("/f", slow(body, block=100_000, pause=1.5), ranged(body, tag=None))
    began = time.monotonic()
    download(url, path, patience=hasty)
    assert time.monotonic() - began < 1.4
    assert path.read_bytes() == body
    assert server.ranges("/f")[1] == "bytes=100000-"


def test_a_trickle_is_a_stall(server, path, body):
    patience = Patience(attempts=2, first_wait=0.01, stall=0.3, slowest=1000)
    url = server.put("/f", slow(body, block=10, pause=0.05))
    with pytest.raises(SourceFailed, match=r"is a stall"):
        download(url, path, patience=patience)


def test_redirects_stay_at_home(server, hasty, path, body):
    server.put("/there", ranged(body))
    download(server.put("/f", status(302, Location="/there")), path, patience=hasty)
    assert path.read_bytes() == body
    with pytest.raises(SourceFailed, match="redirects"):
        download(server.put("/loop", status(302, Location="/loop")), path, patience=hasty)


@pytest.mark.parametrize(
    "target", ["http://localhost:{port}/there", "file:///etc/passwd", "https://127.0.0.1:{port}/x"]
)
def test_redirects_elsewhere_are_refused(server, hasty, path, body, target):
    server.put("/there", ranged(body))
    url = server.put("/f", status(307, Location=target.format(port=server.http.server_port)))
    with pytest.raises(SourceFailed, match="another host"):
        download(url, path, patience=hasty)
    assert server.seen["/there"] == []


def test_nobody_listens(server, hasty, path):
    url = server.put("/f", status(200))
    server.http.server_close()
    with pytest.raises(SourceFailed, match="ConnectionError"):
        download(url, path, patience=hasty)


def test_a_full_disk_is_told_before_the_bytes_come(server, hasty, path, body, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(SourceFailed, match="the disk has 10 left"):
        download(server.put("/f", ranged(body)), path, patience=hasty)


@pytest.mark.parametrize(
    "step",
    [
        status(500),
        status(404),
        status(302, Location="http://evil.example/"),
        status(302, Location="/f"),
        None,
    ],
    ids=["busy", "gone", "elsewhere", "loop", "cut"],
)
def test_every_failure_is_one_line_without_signatures(server, hasty, path, body, capsys, step):
    url = server.put("/f", step or ignoring_ranges(body, cut=10)) + "?X-Amz-Signature=secret"
    with pytest.raises(SourceFailed) as caught:
        download(url, path, patience=hasty)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value) + capsys.readouterr().err


def test_progress_is_told_in_lines_without_a_terminal(server, hasty, path, body, monkeypatch, capsys):
    monkeypatch.setattr(module, "_SECONDS_A_LINE", 0.0)
    download(server.put("/f", ranged(body)), path, patience=hasty)
    assert "of 0.2 MB" in capsys.readouterr().err


def test_progress_is_a_bar_on_a_terminal(server, hasty, path, body, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    download(server.put("/f", ranged(body)), path, patience=hasty)
    assert "100%" in capsys.readouterr().err
    assert path.exists()
