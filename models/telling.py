"""What a corpus tells of its cells in training, to recipes that ask: types by number, batches by number."""

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contract.errors import NotApplicable, UserError
from models.cells_file import Cells
from models.texts import encode
from models.transformer.recipe import Design


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Told:
    """``marks`` int64 (N, 2): type and batch of each cell, −1 where not told; the rest is of the C types.

    ``types``: ontology id, or the label where it has none. ``below`` and ``levels`` (C, C) as of
    ``cell_types``; ``texts`` (C, E), or nothing where no objective reads them.
    """

    marks: np.ndarray
    types: tuple[str, ...]
    below: np.ndarray
    levels: np.ndarray
    texts: np.ndarray | None

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        found = hashlib.sha256("\n".join(self.types).encode())
        for array in (self.marks, self.below, self.levels, self.texts):
            found.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def tell(
    train: Cells, design: Design, *, labels: pd.DataFrame | None, encoder: str | None
) -> tuple[Design, Told | None]:
    """The design at the corpus' number of types and batches, and what it is told: nothing if it does not ask.

    ``labels``: a row a cell of ``train``, in its order: ``label`` and ``ontology_id``, null where not told.

    Raises
    ------
    NotApplicable
        If cells of fewer than two types are told, where a recipe learns from types.
    """
    asks_types, asks_batches = design.told
    if encoder is not None and not _reads_texts(design):
        where, found = f"recipe {design.recipe}: text_encoder", "a recipe that reads no texts"
        raise UserError(where, found=found, todo="leave it out")
    if not (asks_types or asks_batches):
        return design, None
    from models.cell_types import below, cell_ontology, nearness  # half a second of scipy, for who asks

    marks = np.full((train.n_obs, 2), -1, dtype=np.int64)
    names: list[str] = []
    if asks_types and labels is not None:
        names, marks[:, 0] = _types(labels, train)
    if asks_batches:
        batches, marks[:, 1] = np.unique(train.obs["batch"].astype(str), return_inverse=True)
        design = _sized(design, batches=len(batches))
    terms = [name if name in cell_ontology().row else None for name in names]
    texts = None
    if design.reads_texts:
        texts = encode([_text(name) for name in names], encoder=encoder, width=design.size.texts)
        design = _sized(design, texts=texts.shape[1] if names else design.size.texts)
    if asks_types:
        design = _sized(design, classes=max(len(names), 1))
    told = Told(marks=marks, types=tuple(names), below=below(terms), levels=nearness(terms), texts=texts)
    return design, told


def _types(labels: pd.DataFrame, train: Cells) -> tuple[list[str], np.ndarray]:
    """Types, one for all labels of one ontology term, and the number of each cell's."""
    if labels.index.tolist() != train.obs_names.tolist():
        raise UserError("labels", found="other cells than in the corpus", expected="the same, in order")
    term = labels["ontology_id"].where(labels["ontology_id"].notna(), labels["label"])
    code, names = pd.factorize(term.where(labels["label"].notna()), sort=True)
    if len(names) < 2:
        raise NotApplicable(f"the corpus tells {len(names)} type(s) of its training units, two are needed")
    return [str(name) for name in names], code


def _text(name: str) -> str:
    """What describes a type: the term's name, or the label itself."""
    from models.cell_types import cell_ontology

    known = cell_ontology()
    return known.text[known.row[name]] if name in known.row else name


def _reads_texts(design: Design) -> bool:
    return design.reads_texts or design.identity.made_of == "symbols"


def _sized(design: Design, **changes: int) -> Design:
    return dataclasses.replace(design, size=dataclasses.replace(design.size, **changes))
