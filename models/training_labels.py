"""Labels of the training cells of a data set's split, on their way into a process that must see no other."""

from pathlib import Path
from typing import TYPE_CHECKING

from contract.files import read_table

if TYPE_CHECKING:
    import pandas as pd

    from models.labelled import Labels


def write_training_labels(truth: Path, path: Path) -> None:
    """Of ``truth.parquet``, copy cell, label, ontology id and unit of the training rows, and nothing else."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(truth, columns=["cell", "label", "ontology_id", "unit", "part"], use_threads=False)
    pq.write_table(table.filter(pc.equal(table["part"], "train")).drop_columns(["part"]), path)


def read_training_labels(path: Path, cells: "pd.Index") -> "Labels":
    """Labels of the named training cells, in their order; a cell without a row is one of unknown label."""
    import numpy as np
    import pandas as pd

    from models.labelled import Labels

    table = read_table(path).set_index("cell").reindex(cells.astype(str))

    def text(name: str) -> np.ndarray:
        return np.array([None if pd.isna(v) else str(v) for v in table[name]], dtype=object)

    return Labels(label=text("label"), ontology_id=text("ontology_id"), unit=text("unit"))
