"""Run one step in a process of its own, so that whatever a contestant does, its outcome is written.

The parent stays light: on Linux a child's high-water mark of memory starts at its parent's.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TAIL_BYTES = 8_000
TAIL_LINES = 30
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its status (negative is a signal), the end of its output, its peak memory.

    ``peak_rss_bytes`` is the kernel's high-water mark of the largest process among the child and
    those that it waited for.
    """

    status: int
    timed_out: bool
    log_tail: str
    peak_rss_bytes: int

    @property
    def killed(self) -> bool:
        """Killed by somebody else: on Linux that is nearly always the kernel, short of memory."""
        return self.status == -signal.SIGKILL and not self.timed_out


def supervise(module: str, argument: Path, *, timeout: float | None) -> Ended:
    """Run ``python -m module argument`` to its end; its output goes to our standard error as it comes.

    The child leads a process group that is killed whole after ``timeout`` seconds, and when it ends.
    It holds the reading end of a pipe as its input: when this process dies, the pipe closes, and
    the child ends itself.
    """
    environment = {name: "1" for name in THREADS} | dict(os.environ) | ENVIRONMENT
    child = subprocess.Popen(
        [sys.executable, "-m", module, str(argument)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    tail = bytearray()
    reader = threading.Thread(target=_tee, args=(child.stdout, tail), daemon=True)
    reader.start()
    timed_out = False
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdin.close()
    reader.join(timeout=5)
    if not reader.is_alive():
        child.stdout.close()
    return Ended(child.returncode, timed_out, _last_lines(bytes(tail)), _peak_of_children())


def _tee(source: IO[bytes], tail: bytearray) -> None:
    while block := os.read(source.fileno(), 65_536):
        sys.stderr.buffer.write(block)
        sys.stderr.buffer.flush()
        tail += block
        del tail[:-TAIL_BYTES]


def _last_lines(tail: bytes) -> str:
    """The last lines of a log; what a progress bar wrote over is left out."""
    lines = tail.decode("utf-8", errors="replace").splitlines()
    kept = [line.rsplit("\r", 1)[-1].rstrip() for line in lines]
    return "\n".join([line for line in kept if line][-TAIL_LINES:])


def _peak_of_children() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


def end_with_parent() -> None:
    """In the child: when the parent is gone, end this process group at once."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
