"""``python -m <package> <command>``: lazy commands, one-line errors.

A command is a module with ``add_arguments(parser)`` and ``main(args)``; it is
imported only when it is called, so that listing models needs no torch.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from contract.errors import UserError

PLACES = {errno.EACCES, errno.EEXIST, errno.ENOTDIR, errno.EROFS, errno.ENOSPC, errno.ENAMETOOLONG}
"""What is wrong with a place on the disk, and not with us."""


def dispatch(
    package: str,
    commands: Mapping[str, tuple[str, str]],
    *,
    about: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Run one command of a package and return its exit status.

    ``commands`` maps a command's name to its module and its one line of help.
    A ``UserError``, or a place that cannot be written, is printed as one line and gives exit status 2.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=about)
    parsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, help_line) in commands.items():
        child = parsers.add_parser(name, help=help_line, description=help_line)
        if argv[:1] == [name]:
            command = importlib.import_module(module)
            command.add_arguments(child)
    args = parser.parse_args(argv)
    command = importlib.import_module(commands[args.command][0])
    try:
        status = int(command.main(args) or 0)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; nothing may be flushed into the closed pipe at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in PLACES:
            raise
        where = error.filename or args.command
        print(f"error: {where}: found {error.strerror}; choose another place", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def table(rows: Sequence[Mapping[str, object]], *, columns: Sequence[str]) -> str:
    """Align rows under their column names; cells are shown as text, none as a dash."""
    cells = [
        ["-" if row.get(c) in (None, "") else " ".join(str(row[c]).split()) for c in columns] for row in rows
    ]
    widths = [max(len(c), *(len(line[i]) for line in cells), 1) for i, c in enumerate(columns)]
    lines = [list(columns), ["-" * w for w in widths], *cells]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )
