"""What a cell is: labels as the file has them, and their terms in the Cell Ontology."""

from dataclasses import dataclass

import numpy as np

from atlas.catalogue import Dataset
from atlas.ontology import Ontology
from contract.errors import UserError, suggestion

NO_TERM = ("unknown", "na")
"""Words that CELLxGENE allows in an ontology column where no term is known."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """(N,) text or ``None``; without a label no term either. ``replaced`` maps obsolete ids to live ones."""

    label: np.ndarray
    ontology_id: np.ndarray
    replaced: dict[str, str]


def read_labels(
    labels: np.ndarray | None,
    terms: np.ndarray | None,
    dataset: Dataset,
    *,
    ontology: Ontology,
    n: int,
    where: str,
) -> Labels:
    """Give each of ``n`` cells its label and its live Cell Ontology term.

    The term comes from ``terms`` (one a cell) or from the entry's ``ontology_map`` (one a label).

    Raises
    ------
    UserError
        For an id that the ontology has not, or an obsolete one without a live
        replacement, and for a key of ``ontology_map`` that no cell bears.
    """
    nothing = np.full(n, None, dtype=object)
    label = nothing if labels is None else labels
    if terms is None:
        _check_map(label, dataset.ontology_map, where=where)
        terms = np.array([dataset.ontology_map.get(name) for name in label], dtype=object)
        place = f"{where}: ontology_map"
    else:
        terms = np.where(np.isin(terms, np.array(NO_TERM, dtype=object)), None, terms)
        place = f"{where}: obs.{dataset.obs.ontology}"
    wanted = sorted({term for term in terms if term is not None})
    live = {term: ontology.resolve(term, where=place) for term in wanted}
    known = np.array([name is not None for name in label], dtype=bool)
    return Labels(
        label=label,
        ontology_id=np.where(known, [live.get(term) for term in terms], None).astype(object),
        replaced={term: by for term, by in live.items() if term != by},
    )


def _check_map(label: np.ndarray, ontology_map: dict[str, str], *, where: str) -> None:
    present = {name for name in label if name is not None}
    for name in ontology_map:
        if name not in present:
            raise UserError(
                f"{where}: ontology_map",
                found=f"the label {name!r}, which no cell bears",
                expected="labels of the file",
                todo=suggestion(name, sorted(present)),
            )


def label_table(labels: Labels) -> dict[str, list[str]]:
    """Map each label to the terms its cells bear, sorted; none where the label has no term."""
    table: dict[str, set[str]] = {name: set() for name in sorted({x for x in labels.label if x is not None})}
    for name, term in zip(labels.label, labels.ontology_id, strict=True):
        if term is not None:
            table[name].add(term)
    return {name: sorted(terms) for name, terms in table.items()}
