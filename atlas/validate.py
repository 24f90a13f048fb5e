"""``python -m atlas validate``: does a file keep the CELLxGENE schema, as far as a benchmark rests on it?"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from atlas.stored import open_stored
from contract.cli import table
from contract.errors import UserError

COLUMNS = ("place", "found", "expected", "times")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``validate``."""
    parser.add_argument("file", type=Path, help="an h5ad or a zarr store")


def main(args: argparse.Namespace) -> int:
    """Print one line a breach; 1 if there is any, 0 if there is none."""
    if not args.file.exists():
        raise UserError(str(args.file), found="no such file", todo="check the path")
    from atlas.schema import findings  # ontologies take a second

    with open_stored(args.file, where=str(args.file)) as stored:
        found = [asdict(one) for one in findings(stored)]
        n, version = len(stored.obs.names), stored.uns("schema_version")
    if found:
        print(table(found, columns=COLUMNS))
    stated = f", schema {version} by its own word" if version else ""
    print(f"{args.file}: {n} cells{stated}: {len(found) or 'no'} breaches", file=sys.stderr)
    return int(bool(found))
