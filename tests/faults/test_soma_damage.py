"""SOMA experiments of somebody else, whose files were damaged, cut, emptied or removed."""

import shutil
from pathlib import Path

import pytest
from conftest import made_cells
from fuzzing import DAMAGE, damaged, often
from hypothesis import given
from hypothesis import strategies as st

from atlas.soma import slice_to_file
from atlas.stored import open_stored
from atlas.web import SourceFailed

soma_io = pytest.importorskip("tiledbsoma.io", reason="SKIPPED: pip install 'sclitmus[soma]'")
SOURCE = {"kind": "soma", "path": "whole", "obs_filter": "donor in ['d0', 'd1']"}
N_SLICED = 40


@pytest.fixture(scope="module")
def experiment(place: Path) -> Path:
    """80 cells of four donors."""
    cells = made_cells(n=80)
    cells.var["feature_id"] = cells.var_names
    soma_io.from_anndata(str(place / "whole"), cells, measurement_name="RNA", X_layer_name="raw")
    return place / "whole"


def sliced(experiment: Path, out: Path) -> int | None:
    """How many cells a slice has; none where it is refused."""
    try:
        found = slice_to_file(SOURCE, str(experiment), out)
    except SourceFailed:
        return None
    return found["n_cells"]


def test_what_is_whole_is_read(experiment: Path, tmp_path: Path) -> None:
    assert sliced(experiment, tmp_path / "slice.h5ad") == N_SLICED


def test_each_file_gone_or_empty(experiment: Path) -> None:
    """Refused, or not needed: the same cells with the same counts."""
    own, out = experiment.with_name("own"), experiment.with_name("slice.h5ad")
    assert sliced(experiment, out) == N_SLICED
    whole, files = out.read_bytes(), sorted(path for path in experiment.rglob("*") if path.is_file())
    n_refused = 0
    for spoil in (Path.unlink, lambda path: path.write_bytes(bytes(path.stat().st_size))):
        for file in files:
            shutil.rmtree(own, ignore_errors=True)
            out.unlink(missing_ok=True)
            shutil.copytree(experiment, own)
            spoil(own / file.relative_to(experiment))
            if sliced(own, out) is None:
                n_refused += 1
                assert not out.exists(), f"{file}: a slice that was refused left a file"
            else:
                assert out.read_bytes() == whole, f"{file}: another slice, without a word"
    assert n_refused > len(files) / 2


@given(which=st.integers(0, 10_000), damage=DAMAGE, how=st.sampled_from(["damaged", "gone", "zeros"]))
@often(150)
def test_stores_with_damage(experiment: Path, which: int, damage: tuple, how: str) -> None:
    """Refused, or read as an h5ad of so many cells: never a crash, another error or half a slice."""
    own, out = experiment.with_name("own"), experiment.with_name("slice.h5ad")
    shutil.rmtree(own, ignore_errors=True)
    out.unlink(missing_ok=True)
    shutil.copytree(experiment, own)
    files = sorted(path for path in own.rglob("*") if path.is_file() and path.stat().st_size)
    spoilt = files[which % len(files)]
    if how == "gone":
        spoilt.unlink()
    else:
        content = spoilt.read_bytes()
        spoilt.write_bytes(damaged(content, damage) if how == "damaged" else bytes(len(content)))
    n_cells = sliced(own, out)
    if n_cells is None:
        assert not out.exists(), "a slice that was refused left a file"
    else:
        with open_stored(out, where="slice") as stored:
            assert stored.matrices["X"].shape[0] == len(stored.obs.names) == n_cells
