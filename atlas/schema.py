"""The CELLxGENE schema's rules that a benchmark rests on: ontology ids, donors, genes, the raw layer.

Rules of schema 7.1 (chanzuckerberg/single-cell-curation@019360a, ``schema/7.1.0``) for human and mouse,
with the words of versions from 3 on; terms are looked up in the ontologies that CELLxGENE pins.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from cellxgene_ontology_guide.ontology_parser import OntologyParser

from atlas.counts import as_csr, check_matrix, verified_counts
from atlas.genes import PATTERNS
from atlas.stored import Stored, Table
from contract.errors import UserError

ORGANISMS = {"NCBITaxon:9606": "human", "NCBITaxon:10090": "mouse"}
STAGES = {"human": "HsapDv", "mouse": "MmusDv"}
JOINTS = (" || ", ",")
"""What stands between several terms; the comma in schemas before 5.3."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One breach: where, what was found, what the schema expects, and how many cells or genes it is about."""

    place: str
    found: str
    expected: str
    times: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """A column of ontology ids: of which ontologies, below which terms, never which, and words instead."""

    column: str
    ontologies: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    several: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A column of text with a fixed choice."""

    column: str
    words: tuple[str, ...]


CELL_TYPE = Terms(
    column="cell_type_ontology_term_id",
    ontologies=("CL",),
    words=("unknown", "na"),
    never=("CL:0000255", "CL:0000257", "CL:0000548"),
)
TERMS = (
    CELL_TYPE,
    Terms(column="assay_ontology_term_id", ontologies=("EFO",), below=("EFO:0002772", "EFO:0010183")),
    Terms(
        column="disease_ontology_term_id",
        ontologies=("MONDO",),
        words=("PATO:0000461",),
        below=("MONDO:0000001", "MONDO:0021178"),
        several=True,
    ),
    Terms(
        column="self_reported_ethnicity_ontology_term_id",
        ontologies=("HANCESTRO", "AfPO"),
        words=("unknown", "na", "multiethnic"),
        several=True,
    ),
    Terms(
        column="sex_ontology_term_id",
        words=("PATO:0000383", "PATO:0000384", "PATO:0001340", "unknown", "na"),
    ),
)
CHOICES = (
    Words(column="suspension_type", words=("cell", "nucleus", "na")),
    Words(
        column="tissue_type",
        words=("tissue", "organoid", "cell line", "primary cell culture", "cell culture"),
    ),
)


def findings(stored: Stored) -> Iterator[Finding]:
    """Yield every breach; the matrices are read once, in blocks."""
    yield from column_findings(stored)
    yield from _matrix_findings(stored)


def column_findings(stored: Stored) -> Iterator[Finding]:
    """Yield what ``obs``, ``var`` and ``uns`` get wrong; no matrix is read."""
    organism = ""
    for found in _organism(stored):
        if isinstance(found, Finding):
            yield found
        else:
            organism = found
    stage = Terms(
        column="development_stage_ontology_term_id",
        ontologies=(STAGES[organism],) if organism else tuple(STAGES.values()),
        words=("unknown", "na"),
    )
    for rule in (*TERMS, stage, _tissue(stored)):
        yield from _column(stored.obs, rule.column, functools.partial(_wrong_term, rule), _expected(rule))
    for choice in CHOICES:
        expected = f"one of {', '.join(choice.words)}"
        yield from _column(stored.obs, choice.column, lambda v, c=choice: v not in c.words, expected)
    yield from _column(stored.obs, "donor_id", lambda v: not v.strip(), "a name, unknown, pooled or na")
    yield from _column(stored.obs, "is_primary_data", lambda v: v not in ("True", "False"), "true or false")
    yield from _genes(stored, organism)
    if not stored.uns("title"):
        yield Finding(place="uns.title", found="nothing", expected="a title", times=1)


def _organism(stored: Stored) -> Iterator[Finding | str]:
    """The organism in ``uns`` (schema 6 on) or in ``obs``; its name, or what is wrong with it."""
    column, stated = "organism_ontology_term_id", stored.uns("organism_ontology_term_id")
    place = f"uns.{column}" if stated is not None else f"obs.{column}"
    if stated is None and column not in stored.obs.columns:
        yield Finding(place=f"uns.{column}", found="nothing", expected="an NCBITaxon id", times=1)
        return
    values = _counted(stored.obs, column) if stated is None else {str(stated): len(stored.obs.names)}
    for value, times in values.items():
        if value not in ORGANISMS:
            yield Finding(place=place, found=repr(value), expected="human or mouse", times=times)
    known = [ORGANISMS[value] for value in values if value in ORGANISMS]
    if len(known) == 1 == len(values):
        yield known[0]


def _tissue(stored: Stored) -> Terms:
    """A tissue is an UBERON term; what was grown is a cell type or a cell line."""
    kinds = _counted(stored.obs, "tissue_type") if "tissue_type" in stored.obs.columns else {}
    grown = set(kinds) - {"tissue", "organoid"}
    return Terms(
        column="tissue_ontology_term_id",
        ontologies=("UBERON", "CL", "CVCL") if grown else ("UBERON",),
        words=("unknown", "na") if grown else (),
    )


def _column(table: Table, column: str, wrong: Any, expected: str) -> Iterator[Finding]:
    if column not in table.columns:
        yield Finding(
            place=f"obs.{column}", found="no such column", expected=expected, times=len(table.names)
        )
        return
    for value, times in _counted(table, column).items():
        if wrong(value):
            yield Finding(place=f"obs.{column}", found=repr(value), expected=expected, times=times)


def _counted(table: Table, column: str) -> dict[str, int]:
    """How often each value stands in a column, as text; ``""`` where there is none."""
    values = table.column(column)
    counts = values.astype(object).where(values.notna(), "").map(str).value_counts(sort=False)
    return {str(value): int(times) for value, times in counts.items()}


def _wrong_term(rule: Terms, value: str) -> bool:
    if value in rule.words:
        return False
    joint = next((joint for joint in JOINTS if joint in value), None) if rule.several else None
    parts = value.split(joint) if joint else [value]
    return parts != sorted(set(parts)) or any(_wrong_part(rule, part.strip()) for part in parts)


def _wrong_part(rule: Terms, term: str) -> bool:
    if term.startswith("CVCL_"):  # Cellosaurus is not among the ontologies at hand
        return "CVCL" not in rule.ontologies
    if term.partition(":")[0] not in rule.ontologies or term in rule.never:
        return True
    parser = _parser()
    if not parser.is_valid_term_id(term) or parser.is_term_deprecated(term):
        return True
    return bool(rule.below) and not {term, *parser.get_term_ancestors(term)} & set(rule.below)


@functools.cache
def _parser() -> OntologyParser:
    return OntologyParser()


def _expected(rule: Terms) -> str:
    kinds = f"a live term of {' or '.join(rule.ontologies)}" if rule.ontologies else ""
    below = f" below {' or '.join(rule.below)}" if rule.below else ""
    words = f"{', or ' if kinds else ''}{', '.join(rule.words)}" if rule.words else ""
    return kinds + below + words


def _genes(stored: Stored, organism: str) -> Iterator[Finding]:
    for name, table in stored.var.items():
        place = f"var of {name}"
        doubled = table.names[table.names.duplicated()]
        if len(doubled):
            yield Finding(place=place, found=repr(doubled[0]), expected="each gene once", times=len(doubled))
        pattern = PATTERNS.get(organism)
        versioned = [gene for gene in table.names if gene.startswith("ENS") and "." in gene]
        if versioned:
            yield Finding(
                place=place, found=repr(versioned[0]), expected="ids without version", times=len(versioned)
            )
        foreign = [
            g for g in table.names if pattern and not pattern.fullmatch(g) and not g.startswith("ERCC-")
        ]
        if foreign:
            expected = f"{organism} Ensembl ids"
            yield Finding(place=place, found=repr(foreign[0]), expected=expected, times=len(foreign))
    if "X" in stored.var and "feature_is_filtered" not in stored.var["X"].columns:
        yield Finding(
            place="var.feature_is_filtered", found="no such column", expected="true or false", times=1
        )


def _matrix_findings(stored: Stored) -> Iterator[Finding]:
    """The raw layer holds counts of every cell as float32; a filtered gene has no value in ``X``."""
    raw = "raw.X" if "raw.X" in stored.matrices else "X"
    matrix, empty = stored.matrices[raw], 0
    for start, stop, rows in matrix.blocks():
        try:
            check_matrix(rows, where=raw)
            counts = verified_counts(as_csr(rows), where=raw)
        except UserError as error:
            found = str(error).partition("found ")[2]
            yield Finding(place=raw, found=found, expected="counts", times=stop - start)
            return
        if not start and rows.dtype != np.float32:
            yield Finding(place=raw, found=f"values of type {rows.dtype}", expected="float32", times=1)
        empty += int((np.diff(counts.indptr) == 0).sum())
    if empty:
        yield Finding(place=raw, found="cells without a count", expected="one count at least", times=empty)
    if raw == "raw.X":
        yield from _layers(stored)


def _layers(stored: Stored) -> Iterator[Finding]:
    if list(stored.var["X"].names) != list(stored.var["raw.X"].names):
        yield Finding(place="raw.var", found="other genes than var", expected="the same, in order", times=1)
        return
    if "feature_is_filtered" not in stored.var["X"].columns:
        return
    filtered = pd.Series(stored.var["X"].column("feature_is_filtered")).to_numpy(dtype=bool)
    valued = np.zeros(len(filtered), dtype=np.int64)
    for _, _, rows in stored.matrices["X"].blocks():
        valued += np.bincount(as_csr(rows).indices, minlength=len(filtered))
    wrong = int((filtered & (valued > 0)).sum())
    if wrong:
        yield Finding(place="X", found="values of filtered genes", expected="none", times=wrong)
