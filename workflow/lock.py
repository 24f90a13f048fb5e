"""One run at a time in a folder.

Snakemake leaves its own lock behind when it is killed, and then refuses to
start. A ``flock`` on ``results/.lock`` goes with its holder instead, however
that dies, and so tells a dead run from a living one: whoever holds it may
unlock Snakemake, nobody else may.
"""

import fcntl
import os
from pathlib import Path

from contract.errors import UserError

LOCK = Path("results/.lock")
HELD_BY_PARENT = "SCLITMUS_LOCK_HELD"
ONLY_LOOKING = {
    "-n",
    "--dry-run",
    "--dryrun",
    "--lint",
    "--summary",
    "--list",
    "--list-rules",
    "--dag",
    "--rulegraph",
}


def hold(path: Path = LOCK) -> int:
    """Take the lock, or say who has it; the descriptor is open until the process ends.

    Raises
    ------
    UserError
        If another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(
            str(path), found=f"no way to write there ({error.strerror})", expected="a folder of yours"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise UserError(
            str(path),
            found=f"another run in this folder (process {owner})",
            todo="wait for it to end, or stop it",
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def hold_unless_parent_does() -> None:
    """Take the lock in a run started by hand; under ``make demo`` the parent process has it already."""
    global _HANDLE
    if HELD_BY_PARENT in os.environ or _HANDLE is not None:
        return
    try:
        _HANDLE = hold()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


_HANDLE: int | None = None
