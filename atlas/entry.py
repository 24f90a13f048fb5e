"""From what CELLxGENE Discover says about a data set to an entry of ``datasets.yaml``."""

import re
from collections.abc import Iterable
from typing import Any

from atlas.search import labels
from contract.errors import UserError

LICENSE = "CC-BY-4.0 (CELLxGENE Discover's terms for all its data)"
ORGANISMS = {"NCBITaxon:9606": "human", "NCBITaxon:10090": "mouse"}
NOBODY = ("unknown", "na", "pooled")
"""Values of CELLxGENE's columns that name no cell type and no single donor."""
_BIOLOGY = re.compile(r"^(cell_type|disease|development_stage|sex|self_reported|tissue|is_primary)")
"""Columns that are no technical batch, whatever ``batch_condition`` says."""


def entry_of(
    answer: dict[str, Any],
    *,
    history: list[dict[str, Any]],
    home: dict[str, Any],
    label_source: str,
) -> dict[str, Any]:
    """Write what the catalogue asks for.

    Parameters
    ----------
    answer
        What Discover says about the version.
    history
        All versions, newest first; may be empty.
    home
        Its collection; may be empty.

    Raises
    ------
    UserError
        If the organism is neither human nor mouse, or not one.
    """
    donors = [str(name) for name in answer.get("donor_id") or [] if name not in NOBODY]
    ids = ("dataset_version_id", "dataset_id", "collection_id")
    entry = {
        "title": _title(answer, home),
        "note": _note(answer, history, donors=donors),
        "source": {"kind": "cellxgene", **{key: answer[key] for key in ids if answer.get(key)}},
        "license": str(answer.get("license") or LICENSE),
        "citation": _citation(answer, home),
        "organism": _organism(answer),
        "gene_ids": "ensembl",
        "total_counts": "matrix",
        "obs": _obs(answer, donors=donors),
        "label_source": label_source,
        "public_since": _public_since(answer, history, home),
        "tasks": ["integration", "annotation"],
        "missing": list(NOBODY),
    }
    if len(donors) < 2:
        entry["units"] = "none"
    if sorted(answer.get("is_primary_data") or []) == [False, True]:
        entry["where"] = {"is_primary_data": ["True"]}
    return entry


def slug(title: str) -> str:
    """Make an id out of a title: small letters, digits and ``_``, 48 at most."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
    return (plain if plain[:1].isalpha() else f"set_{plain}")[:48].rstrip("_")


def _title(answer: dict[str, Any], home: dict[str, Any]) -> str:
    parts = [home.get("name") or answer.get("collection_name"), answer.get("title")]
    return ": ".join(" ".join(str(part).split()) for part in parts if part) or str(answer["dataset_id"])


def _organism(answer: dict[str, Any]) -> str:
    found = answer.get("organism") or []
    known = {ORGANISMS.get(one.get("ontology_term_id"), "") for one in found if isinstance(one, dict)}
    if len(known) != 1 or "" in known:
        raise UserError(
            f"CELLxGENE data set {answer.get('dataset_id')}",
            found=f"organism {', '.join(labels(answer, 'organism')) or 'not stated'}",
            expected="one: human or mouse",
            todo="write the entry by hand, with a 'where' that keeps one organism",
        )
    return known.pop()


def _obs(answer: dict[str, Any], *, donors: list[str]) -> dict[str, str]:
    technical = [str(name) for name in answer.get("batch_condition") or [] if not _BIOLOGY.match(str(name))]
    obs = {"label": "cell_type", "ontology": "cell_type_ontology_term_id", "donor": "donor_id"}
    batch = technical[0] if technical else "donor_id" if len(donors) > 1 else None
    obs |= {"batch": batch} if batch else {}
    obs |= {"condition": "disease"} if len(answer.get("disease") or []) > 1 else {}
    return obs | {"assay": "assay", "tissue": "tissue"}


def _citation(answer: dict[str, Any], home: dict[str, Any]) -> str:
    doi = home.get("doi") or answer.get("collection_doi")
    if not doi:
        stated = re.search(r"doi\.org/(10\.\S+)", str(answer.get("citation") or ""))
        doi = stated.group(1) if stated else None
    return str(doi or f"CELLxGENE collection {answer.get('collection_id')}")


def _public_since(answer: dict[str, Any], history: list[dict[str, Any]], home: dict[str, Any]) -> str:
    """The earliest date that anything names: a corpus could hold the cells from then on."""
    dates = [str(one.get("published_at") or "")[:10] for one in (answer, home, *history)]
    paper = home.get("publisher_metadata") or {}
    dates += [_date(paper.get(f"published_{part}") for part in ("year", "month", "day"))]
    known = [date for date in dates if re.fullmatch(r"\d{4}(-\d\d){0,2}", date)]
    if not known:
        raise UserError(
            f"CELLxGENE data set {answer.get('dataset_id')}",
            found="no date of publication",
            expected="published_at",
            todo="write the entry by hand",
        )
    return min(known)


def _date(parts: Iterable[Any]) -> str:
    text = ""
    for part, width in zip(parts, (4, 2, 2), strict=True):
        if not isinstance(part, int):
            break
        text += f"{'-' if text else ''}{part:0{width}d}"
    return text


def _note(answer: dict[str, Any], history: list[dict[str, Any]], *, donors: list[str]) -> str:
    newest = history[0].get("dataset_version_id") if history else None
    kinds = [one.get("tissue_type") for one in answer.get("tissue") or [] if isinstance(one, dict)]
    grown = sorted({str(kind) for kind in kinds if kind and kind != "tissue"})
    parts = [
        f"CELLxGENE schema {answer.get('schema_version') or 'unknown'}",
        f"{answer.get('cell_count') or 'unknown'} cells, {len(donors) or 'no'} named donors at the source",
    ]
    if newest and newest != answer.get("dataset_version_id"):
        parts.append(f"superseded by version {newest}")
    if answer.get("is_primary_data") == [False]:
        parts.append("every cell is a copy of one published elsewhere")
    if grown:
        parts.append(f"holds {', '.join(grown)}")
    return "; ".join(parts) + "."
