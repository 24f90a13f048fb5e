"""``python -m atlas add``: ask CELLxGENE Discover for a data set and write its entry into a catalogue."""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from atlas.catalogue import Dataset, find_dataset, read_datasets
from atlas.discover import api_base, collection, describe, versions
from atlas.entry import entry_of, slug
from atlas.fetch import fetch
from atlas.web import Absent, Patience, SourceFailed
from contract.errors import UserError
from contract.files import atomic, write_json

LABELLED_BY = ("clustering", "facs", "genotype", "protein", "reference_mapping")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``add``."""
    parser.add_argument("id", help="a data set's id, or a version's: then this version is pinned")
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")
    parser.add_argument("--name", metavar="ID", help="its name in the catalogue; default: from the title")
    parser.add_argument(
        "--label-source", choices=LABELLED_BY, default="clustering", help="how its authors found the labels"
    )
    parser.add_argument(
        "--download", type=Path, metavar="DIR", help="fetch the h5ad to DIR now, and pin its SHA-256"
    )


def main(args: argparse.Namespace) -> int:
    """Append one entry; the catalogue stays as it was if anything is wrong."""
    taken = read_datasets(args.datasets) if args.datasets.exists() else {}
    entry = ask(args.id, label_source=args.label_source)
    name = args.name or slug(entry["title"])
    if name in taken:
        raise UserError(
            f"{args.datasets}: {name}", found="an entry of this name", todo="choose another with --name"
        )
    dataset = checked(name, entry)
    if args.download:
        entry["sha256"] = _downloaded(dataset, args.download)
        checked(name, entry)
    before = args.datasets.read_text(encoding="utf-8").rstrip("\n") + "\n\n" if taken else ""
    with atomic(args.datasets) as path:
        path.write_text(before + _text(name, entry), encoding="utf-8")
    print(_text(name, entry), end="")
    print(f"{args.datasets}: {name}: added; read it, then name it in a study", file=sys.stderr)
    return 0


def ask(identifier: str, *, label_source: str) -> dict[str, Any]:
    """Ask Discover for a data set or a version of one, and make an entry of the answers.

    Raises
    ------
    UserError
        If there is no such thing, it was withdrawn, or no entry can be made of it.
    """
    if not _UUID.fullmatch(identifier):
        raise UserError(
            "id", found=repr(identifier), expected="a UUID", todo="copy it from python -m atlas search"
        )
    base, patience = api_base(), Patience()
    try:
        answer = _described(identifier, base=base, patience=patience)
        history = versions(answer.get("dataset_id"), base=base, patience=patience)
        home = _collection(answer.get("collection_id"), base=base, patience=patience)
    except SourceFailed as error:
        raise UserError(f"CELLxGENE {identifier}", found=f"no data set ({error})") from None
    return entry_of(answer, history=history, home=home, label_source=label_source)


def _described(identifier: str, *, base: str, patience: Patience) -> dict[str, Any]:
    """The id does not say whether it is a version's or a data set's: ask for both, in this order."""
    try:
        return describe({"dataset_version_id": identifier}, base=base, patience=patience)[0]
    except Absent:
        return describe({"dataset_id": identifier}, base=base, patience=patience)[0]


def _collection(identifier: Any, *, base: str, patience: Patience) -> dict[str, Any]:
    """Nothing where an old version's collection is gone: the version itself still states the rest."""
    if not isinstance(identifier, str):
        return {}
    try:
        return collection(identifier, base=base, patience=patience)
    except Absent:
        return {}


def checked(name: str, entry: dict[str, Any]) -> Dataset:
    """Read the entry back as the catalogue would; what it refuses is refused here."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entry.yaml"
        path.write_text(_text(name, entry), encoding="utf-8")
        return find_dataset(path, name)


def _downloaded(dataset: Dataset, folder: Path) -> str:
    found = fetch(dataset, data=None, folder=folder)
    write_json(folder / "source.json", found)
    if found["status"] != "ok":
        raise UserError(f"{dataset.id}: {folder}", found=f"no file ({found['reason']})")
    return found["sha256"]


def _text(name: str, entry: dict[str, Any]) -> str:
    return yaml.safe_dump({name: entry}, sort_keys=False, allow_unicode=True, width=110)
