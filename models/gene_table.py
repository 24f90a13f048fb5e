"""Gene vectors from outside: of proteins, promoters, interactions, a row a gene; or of the genes' symbols."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.errors import UserError
from contract.files import sha256
from models.cells_file import Cells
from models.texts import encode
from models.transformer.recipe import Design


@dataclass(frozen=True, slots=True, eq=False)
class GeneTable:
    """``vectors`` float32 (G, E) of ``genes`` (G identifiers), and what the file was."""

    genes: list[str]
    vectors: np.ndarray
    name: str
    sha256: str


def read_gene_table(path: Path) -> GeneTable:
    """Read an ``.npz`` with ``genes`` (text) and ``vectors`` (numbers); a fault is a ``UserError``."""
    path = Path(path)
    expected = "an .npz with genes (G texts, each once) and vectors (G × E finite numbers)"
    try:
        with np.load(path, allow_pickle=False) as file:
            genes, vectors = file["genes"], file["vectors"].astype(np.float32)
    except Exception as error:  # noqa: BLE001 - a damaged .npz can end in zlib, zipfile or Python's own parser
        raise UserError(str(path), found=str(error), expected=expected) from None
    fits = genes.ndim == 1 and genes.dtype.kind == "U" and vectors.ndim == 2 and len(vectors) == len(genes)
    if not fits or len(set(genes.tolist())) != len(genes) or not np.isfinite(vectors).all():
        found = f"genes {genes.dtype} {genes.shape}, vectors {vectors.shape}"
        raise UserError(str(path), found=found, expected=expected)
    return GeneTable(genes.tolist(), vectors, path.name, sha256(path))


def gene_table_of(
    train: Cells, design: Design, *, file: str | None, text_encoder: str | None
) -> GeneTable | None:
    """Vectors from a ``file``, or of the genes' symbols where the recipe asks for those, or nothing."""
    if file is not None:
        return read_gene_table(Path(file))
    if design.identity.made_of != "symbols":
        return None
    symbols = train.var["symbol"].astype(str) if "symbol" in train.var else train.var_names.astype(str)
    vectors = encode(symbols.tolist(), encoder=text_encoder, width=design.size.vectors)
    name = f"texts of symbols by {text_encoder or 'hashed groups of letters'}"
    digest = hashlib.sha256("\n".join(train.var_names).encode() + vectors.tobytes()).hexdigest()
    return GeneTable(train.var_names.tolist(), vectors, name, digest)


def fit_to(design: Design, table: GeneTable, *, where: str) -> Design:
    """The design with the table's width.

    Raises
    ------
    UserError
        If the recipe has no place for frozen vectors, or takes them without a projection and
        they are not as wide as the network.
    """
    width, identity = table.vectors.shape[1], design.identity
    if identity.kind not in ("frozen", "fused"):
        raise UserError(f"{where}: gene_vectors", found="a recipe that learns its own", todo="leave it out")
    if identity.kind == "frozen" and identity.project == "none" and width != design.size.width:
        expected = f"{design.size.width}, the width of the network"
        raise UserError(f"{where}: gene_vectors", found=f"vectors of width {width}", expected=expected)
    return dataclasses.replace(design, size=dataclasses.replace(design.size, vectors=width))
