"""``prepare`` into a folder of its own, read back as a whole."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

import atlas.prepare
from atlas.catalogue import Dataset
from contract.files import read_json


@dataclass(frozen=True)
class Prepared:
    folder: Path

    @property
    def cells(self) -> ad.AnnData:
        return ad.read_h5ad(self.folder / "cells.h5ad")

    @property
    def truth(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "truth.parquet")

    @property
    def reference(self) -> np.ndarray:
        return np.load(self.folder / "reference.npy", allow_pickle=False)

    @property
    def report(self) -> dict[str, Any]:
        return read_json(self.folder / "report.json")


def prepare(path: Path, dataset: Dataset) -> Prepared:
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    atlas.prepare.prepare(path, dataset, folder)
    return Prepared(folder)


def write(prepared: Prepared, folder: Path) -> None:
    shutil.copytree(prepared.folder, folder, dirs_exist_ok=True)
