"""Zarr stores of somebody else: damaged, cut, mixed up or malicious."""

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from conftest import Payload, made_cells
from fuzzing import DAMAGE, damaged, often, one_line
from hypothesis import given
from hypothesis import strategies as st

from atlas.stored import Stored, open_stored
from contract.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:Writing zarr v2", "ignore::zarr.errors.ZarrUserWarning")


@pytest.fixture(scope="module")
def store(place: Path) -> Path:
    """Two chunks of values, two columns that vary and some that do not."""
    cells = made_cells(n=400, n_genes=300)
    cells.obs["type"] = np.repeat(["A", "B", "C", "D"], 100)
    cells.write_zarr(place / "whole.zarr")
    assert zarr.open_array(place / "whole.zarr" / "X" / "data", mode="r").nchunks > 1
    return place / "whole.zarr"


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return shutil.copytree(store, tmp_path / "own.zarr")


def read_all(path: Path) -> list[bytes]:
    with open_stored(path, where="mine") as stored:
        return list(_parts(stored))


def _parts(stored: Stored) -> Iterator[bytes]:
    for name in stored.obs.columns:
        yield "\0".join(map(str, stored.obs.column(name))).encode()
    for matrix in stored.matrices.values():
        for _, _, rows in matrix.blocks():
            yield rows.toarray().tobytes()


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_all(path)
    one_line(error.value)
    return str(error.value)


def test_what_is_whole_is_read(store: Path) -> None:
    """Its constant columns have no chunk at all, and that is no fault."""
    assert not list((store / "obs" / "organism" / "codes").glob("[0-9]*"))
    assert len(read_all(store)) > 5


@often(120)
@given(which=st.integers(0, 1 << 20), damage=DAMAGE, how=st.sampled_from(["bytes", "gone", "other"]))
def test_stores_with_damage(store: Path, which: int, damage: tuple, how: str) -> None:
    """One file changed, deleted, or another's put in its place; then the store is as it was."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    path, other = files[which % len(files)], files[(which // len(files)) % len(files)]
    content = path.read_bytes()
    try:
        match how:
            case "bytes":
                path.write_bytes(damaged(content or b"{}", damage))
            case "gone":
                path.unlink()
            case _:
                path.write_bytes(other.read_bytes())
        read_all(store)
    except UserError as error:
        one_line(error)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("part", ["X/data/0", "X/data/1", "X/indices/1", "X/indptr/0", "obs/_index/0"])
def test_a_chunk_that_is_gone_is_not_read_as_zeros(own: Path, part: str) -> None:
    (own / part).unlink()
    assert f"{Path(part).parent}: 1 of" in refused(own)
    assert "chunks are not there" in refused(own)


def test_a_column_of_another_length(own: Path) -> None:
    """An array of 10^12 codes in no chunk is a few bytes on the disk."""
    path = own / "obs" / "type" / "codes" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [401]}))
    (own / ".zmetadata").unlink()
    assert "type: 401 values for 400 names" in refused(own)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [1 << 40], "chunks": [1 << 20]}))
    assert "promises 1,099,511,627,776 bytes" in refused(own)


def test_an_h5ad_that_promises_the_world(tmp_path: Path) -> None:
    path = tmp_path / "mine.h5ad"
    made_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["obs/_index"]
        names = file["obs"].create_dataset("_index", shape=(1 << 40,), chunks=(1 << 20,), dtype="S8")
        names.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    assert "/obs/_index promises 8,796,093,022,208 bytes" in refused(path)


def test_a_link_out_of_a_store_brings_no_other_file_in(own: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((own / "obs" / "type" / "codes" / "0").read_bytes())
    (own / "obs" / "type" / "codes" / "0").unlink()
    (own / "obs" / "type" / "codes" / "0").symlink_to(secret)
    assert "obs/type/codes/0 is a link to another file" in refused(own)


@pytest.mark.parametrize("as_what", ["filters", "compressor"])
@pytest.mark.parametrize("part", ["X/data", "obs/_index", "obs/type/codes"])
def test_a_store_that_asks_for_pickle(own: Path, payload: Payload, part: str, as_what: str) -> None:
    """Zarr knows a codec that unpickles what it reads."""
    codec = {"id": "pickle", "protocol": 5}
    path = own / part / ".zarray"
    plain = {"filters": None, "compressor": None, as_what: [codec] if as_what == "filters" else codec}
    path.write_text(json.dumps(json.loads(path.read_text()) | plain))
    (own / ".zmetadata").unlink()
    for chunk in (own / part).glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(payload))
    refused(own)
