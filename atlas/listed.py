"""``python -m atlas listed``: does a release of the CELLxGENE Census list a data set, or its study?

Most public corpora are releases of the Census, or parts of one. A corpus whose cells nobody can compare
with can still be asked for ids: its release lists the data sets that it holds.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import pandas as pd

from atlas.catalogue import Dataset, find_dataset
from atlas.soma import CONFIG, census_base
from atlas.web import SourceFailed
from contract.cli import table
from contract.errors import UserError

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
COLUMNS = ("census", "listed", "by", "data sets")


def listed(dataset: Dataset, known: pd.DataFrame) -> dict[str, Any]:
    """Say how a data set stands among those that a release lists.

    ``listed`` is ``data set`` (by its id or its version's), ``study`` (another data set of its
    collection or citation) or ``no``; ``by`` names the evidence. *No* is no proof of absence: the
    same cells may stand there under the ids of another study, or of an older version's collection.
    """
    ids = set(_UUID.findall(str(dataset.source)))
    for column, what in (
        ("dataset_version_id", "data set"),
        ("dataset_id", "data set"),
        ("collection_id", "study"),
    ):
        found = _ids(known, column) & ids
        if found:
            return {"listed": what, "by": ", ".join(sorted(found))}
    if _doi(dataset.citation) in {_doi(doi) for doi in _ids(known, "collection_doi")}:
        return {"listed": "study", "by": dataset.citation}
    return {"listed": "no", "by": ""}


def _ids(known: pd.DataFrame, column: str) -> set[str]:
    return set(known[column].astype(str)) if column in known.columns else set()


def _doi(text: str) -> str:
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", text.strip().lower())


def read_listed(release: str) -> pd.DataFrame:
    """Read the table of data sets of one release."""
    try:
        import tiledbsoma
    except ImportError:
        raise SourceFailed("tiledbsoma is not installed; pip install 'sclitmus[soma]'") from None
    uri = f"{census_base()}/{release}/soma/census_info/datasets"
    context = tiledbsoma.SOMATileDBContext(tiledb_config=CONFIG)
    try:
        with tiledbsoma.DataFrame.open(uri, context=context) as frame:
            return frame.read().concat().to_pandas()
    except tiledbsoma.SOMAError as error:
        raise SourceFailed(f"{uri}: {error}") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``listed``."""
    parser.add_argument("--datasets", type=Path, default=Path("datasets.yaml"), help="the catalogue")
    parser.add_argument("--dataset", required=True, metavar="ID", help="which entry of it")
    parser.add_argument(
        "--census", required=True, nargs="+", metavar="DATE", help="releases, such as 2023-05-15"
    )


def main(args: argparse.Namespace) -> int:
    """Print one line a release."""
    dataset = find_dataset(args.datasets, args.dataset)
    rows = []
    for release in args.census:
        try:
            known = read_listed(release)
        except SourceFailed as error:
            raise UserError(f"Census {release}", found=f"no list of data sets ({error})") from None
        rows.append({"census": release, **listed(dataset, known), "data sets": len(known)})
    print(table(rows, columns=COLUMNS))
    return 0
