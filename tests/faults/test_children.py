"""Contestants that hang, leak, talk rubbish or leave others behind: the step ends, and says so plainly."""

import time
from pathlib import Path

import pytest
from conftest import write_prepared

from contract.cli import dispatch
from contract.files import read_json
from contract.outcome import Outcome
from models.__main__ import COMMANDS
from models.child import one_line
from models.step import GIVEN_UP, _outcome
from models.supervise import TAIL_BYTES, Ended, supervise

RUBBISH = """
import os, sys
for _ in range(40):
    os.write(1, os.urandom(250_000).replace(b"\\n", b" "))
os.write(1, b"\\x1b]0;owned\\x07\\x00\\xff\\xfe <script>alert(1)</script> the last words\\n")
sys.exit(3)
"""
LEAK = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
held = []
while True:
    held.append(bytearray(10 << 20))
"""
DEAF = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("listening to nobody", flush=True)
time.sleep(60)
"""
ORPHAN = """
import subprocess, sys
subprocess.Popen(["sleep", "20"], start_new_session=True)
print("gone, but my child holds the pipe", flush=True)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Supervise a module made of this text."""

    def go(code: str, *, timeout: float = 30.0) -> Ended:
        (tmp_path / "contestant_of_faults.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return supervise("contestant_of_faults", tmp_path / "request.json", timeout=timeout)

    return go


def test_rubbish_is_kept_short_and_plain(run, tmp_path: Path, capfd) -> None:
    ended = run(RUBBISH)
    assert ended.status == 3
    assert len(ended.log_tail.encode()) <= 3 * TAIL_BYTES  # what is no UTF-8 is shown as one sign of 3 bytes
    assert "the last words" in ended.log_tail
    outcome = _outcome("embed", ended, {}, timeout=None)
    outcome.write(tmp_path / "outcome.json")
    assert Outcome.read(tmp_path / "outcome.json") == outcome
    assert outcome.reason == "ended without an answer: exit status 3"
    capfd.readouterr()


def test_a_reason_cannot_command_a_terminal() -> None:
    told = one_line("ValueError: \x1b[2J\x1b]0;owned\x07 \x00 caf\u00e9 \udcff\n\r\x85 two")
    assert told.isprintable()
    assert "caf\u00e9" in told
    assert told.endswith("two")
    assert len(one_line("x" * 10_000)) == 400


def test_a_leak_is_told(run, capfd) -> None:
    ended = run(LEAK)
    assert ended.status != 0
    assert "MemoryError" in ended.log_tail
    assert _outcome("embed", ended, {}, timeout=None).status == "failed"
    capfd.readouterr()


def test_the_deaf_are_ended(run, capfd) -> None:
    start = time.monotonic()
    ended = run(DEAF, timeout=2.0)
    assert ended.timed_out
    assert not ended.killed, "it was we who killed it, not a want of memory"
    assert time.monotonic() - start < 10
    assert _outcome("embed", ended, {}, timeout=2.0).reason == "not done after 2 seconds"
    capfd.readouterr()


def test_an_orphan_that_holds_the_pipe_holds_nobody_up(run, capfd) -> None:
    start = time.monotonic()
    ended = run(ORPHAN)
    assert ended.status == 0
    assert time.monotonic() - start < 15
    capfd.readouterr()


def test_a_step_that_is_given_up_runs_nothing_and_says_so(tmp_path: Path, capsys) -> None:
    """A cluster killed the whole job, twice: the third attempt is the outcome."""
    models = tmp_path / "models.yaml"
    card = "{source: here, revision: '1', license: MIT, pretrained_on: [], saw: [counts]}"
    models.write_text(f"models: {{glutton: {{adapter: 'nowhere:Glutton', card: {card}}}}}\n")
    data, out = write_prepared(tmp_path / "data" / "small"), tmp_path / "out"
    argv = ["embed", "--models", models, "--model", "glutton", "--fit", "none", "--data", data, "--out", out]
    argv = [*map(str, argv), "--given-up"]
    assert dispatch("models", COMMANDS, about="", argv=argv) == 0
    outcome = Outcome.read(out / "outcome.json")
    assert (outcome.status, outcome.stage, outcome.reason) == ("failed", "embed", GIVEN_UP)
    assert sorted(path.name for path in out.iterdir()) == [
        "cost.json",
        "embedding.npy",
        "outcome.json",
        "run.json",
    ]
    assert read_json(out / "run.json")["n"] is None
    capsys.readouterr()
