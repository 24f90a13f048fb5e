"""Three real files that share cells: whichever is trained on, the others are found in it."""

import itertools
import os
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest

from atlas.catalogue import find_dataset
from atlas.corpus import facts, join, read_member
from atlas.overlap import overlap
from atlas.prepare import prepare
from contract.files import read_json
from contract.outcome import Outcome

ROOT = Path(__file__).resolve().parents[2]
KANG = ("kang_ctrl_8donors", "kang_ifnb_7types", "kang_ifnb_2000")
APART = "pbmc4k_soupx"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    source = Path(os.environ.get("SCLITMUS_DATA", ""))
    if not (source / f"{KANG[0]}.h5ad").is_file():
        pytest.skip("SKIPPED: no real data sets; set SCLITMUS_DATA to the folder that holds them")
    folder = tmp_path_factory.mktemp("data")
    for name in (*KANG, APART):
        entry = find_dataset(ROOT / "datasets.yaml", name)
        prepare(source / entry.source["path"], entry, folder / name)
        Outcome(status="ok", stage="prepare").write(folder / name / "outcome.json")
    return folder


def _found(data: Path, corpus: str, target: str) -> dict:
    """Compare, with the citations taken out: the cells alone have to betray the study."""
    member, path = read_member(data / corpus, part="all"), data / f"corpus-{corpus}.h5ad"
    told = facts([member], join([member], path, name="c"), name="c", digest=None) | {"studies": ["another"]}
    gathered = ad.read_h5ad(path, backed="r")
    try:
        return overlap(
            gathered,
            told,
            target=ad.read_h5ad(data / target / "cells.h5ad"),
            parts=pd.read_parquet(data / target / "split.parquet")["part"].to_numpy(dtype=str),
            report=read_json(data / target / "report.json"),
        )
    finally:
        gathered.file.close()  # the next test gathers it anew


@pytest.mark.parametrize(("corpus", "target"), list(itertools.permutations(KANG, 2)))
def test_every_pair_is_found_by_its_cells(data, corpus, target):
    found = _found(data, corpus, target)
    assert found["same_study"] is False
    shared = sum(part["same_counts"] for part in found["cells"].values())
    known = sum(part["in_corpus"] for part in found["cells"].values())
    assert known >= shared > 0
    assert found["exposure"] in ("test_cells_seen", "study_shared")


@pytest.mark.parametrize("corpus", KANG)
def test_blood_of_another_study_is_not(data, corpus):
    found = _found(data, corpus, APART)
    assert found["exposure"] == "none"
    assert sum(part["in_corpus"] for part in found["cells"].values()) == 0
