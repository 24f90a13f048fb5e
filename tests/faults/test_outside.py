"""What comes from outside is data: nothing in it is run, and nothing of ours leaks into what is written."""

import io
import pickle
import shutil
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Payload, made_cells, write_prepared
from test_files import embedded, prepare

from contract.catalogue import read_yaml
from contract.cli import dispatch
from contract.errors import UserError
from contract.files import Broken, read_array, read_table
from models.__main__ import COMMANDS
from models.gene_table import read_gene_table
from models.options import CommandOptions, FileOptions
from models.outside import Command, File
from models.state import read_state
from models.transformer.checkpoint import read_tensors
from models.transformer.errors import CheckpointError
from tasks.belongs import read_own_runs


def pickled_npy(path: Path, payload: Payload) -> Path:
    np.save(path, np.array([payload], dtype=object), allow_pickle=True)
    return path


def test_pickles_in_the_place_of_arrays(payload: Payload, prepared: Path, tmp_path: Path) -> None:
    pickled_npy(prepared / "reference.npy", payload)
    with pytest.raises(Broken):
        read_array(prepared / "reference.npy")
    run = embedded(tmp_path / "run", prepared, model="one", value=1.0)
    pickled_npy(run / "embedding.npy", payload)
    assert read_own_runs([run], data=prepared, n_cells=40)[0].outcome.status == "failed"
    bare = tmp_path / "bare.npy"
    bare.write_bytes(pickle.dumps(payload))
    with pytest.raises(Broken):
        read_array(bare)


def test_pickles_in_the_place_of_what_programs_and_people_hand_in(payload: Payload, tmp_path: Path) -> None:
    cells = made_cells()
    pickled_npy(tmp_path / "x.npy", payload)
    (tmp_path / "x.cells.txt").write_text("\n".join(cells.obs_names))
    with pytest.raises(UserError, match="no array"):
        File(FileOptions(path=str(tmp_path / "x.npy"))).embed(cells)
    code = f"import shutil, sys; shutil.copy({str(tmp_path / 'x.npy')!r}, sys.argv[1])"
    with pytest.raises(UserError, match="no array"):
        Command(CommandOptions(command=(sys.executable, "-c", code, "{out}")), seed=0).embed(cells)
    np.savez(tmp_path / "genes.npz", genes=np.array([payload], dtype=object), vectors=np.ones((1, 2)))
    with pytest.raises(UserError):
        read_gene_table(tmp_path / "genes.npz")


def test_pickles_in_the_place_of_weights(payload: Payload, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    for content in (buffer.getvalue(), pickle.dumps(payload)):
        (tmp_path / "arrays.safetensors").write_bytes(content)
        (tmp_path / "about.json").write_text("{}")
        with pytest.raises(UserError, match="no readable checkpoint"):
            read_state(tmp_path)
        with pytest.raises(CheckpointError):
            read_tensors(tmp_path / "arrays.safetensors")


def test_pickles_in_the_place_of_tables(payload: Payload, tmp_path: Path) -> None:
    pd.to_pickle(payload, tmp_path / "truth.parquet", compression=None)
    with pytest.raises(Broken):
        read_table(tmp_path / "truth.parquet")


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.mkdir [{mark}]\n",
        "a: !!python/object/new:os.mkdir [{mark}]\n",
        "a: !!python/name:os.mkdir\n",
        "!!python/module:os : 1\n",
        "a: !<tag:yaml.org,2002:python/object/apply:os.mkdir> [{mark}]\n",
    ],
)
def test_yaml_makes_no_objects(payload: Payload, tmp_path: Path, text: str) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(text.format(mark=payload.mark))
    with pytest.raises(UserError, match="expected valid YAML"):
        read_yaml(path)


def test_yaml_that_grows_when_it_is_read(tmp_path: Path) -> None:
    """Nine lines, 9^9 values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match="more than"):
        read_yaml(path)


def evil_attributes(path: Path, payload: Payload) -> None:
    """Pickles and names of classes wherever HDF5 has room for a word."""
    evil = pickle.dumps(payload)
    with h5py.File(path, "a") as file:
        for place in (file, file["obs"], file["var"], file["X"], file["uns"]):
            place.attrs["pickle"] = np.void(evil)
            place.attrs["__reduce__"] = "os:mkdir"
            place.attrs["class"] = "builtins.eval"
        file["uns"].attrs["encoding-type"] = "os:mkdir"
        file["uns"].create_dataset("evil", data=np.frombuffer(evil, dtype=np.uint8))
        file["uns"]["evil"].attrs["encoding-type"] = "pickle"
        file["uns"]["evil"].attrs["encoding-version"] = "0.1.0"


def test_attributes_of_an_h5ad_are_words(payload: Payload, prepared: Path) -> None:
    path = prepared / "cells.h5ad"
    evil_attributes(path, payload)
    assert prepare(path).status in ("ok", "failed")


def test_a_link_out_of_an_h5ad_brings_no_other_file_in(tmp_path: Path) -> None:
    """An external link reads whatever file its author names, on the machine of whoever opens it."""
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["words"] = np.array([b"hunter2"] * 40)
    path = tmp_path / "mine.h5ad"
    cells = made_cells()
    cells.obs["tissue"] = "blood"
    cells.write_h5ad(path, convert_strings_to_categoricals=False)
    with h5py.File(path, "a") as file:
        del file["obs/tissue"]
        file["obs/tissue"] = h5py.ExternalLink(str(secret), "/words")
    outcome = prepare(path, obs={"donor": "donor", "batch": "batch", "tissue": "tissue"})
    assert outcome.status == "failed"
    assert f"/obs/tissue is a link to another file, {secret}" in outcome.reason
    made = path.with_name("made") / "cells.h5ad"
    assert b"hunter2" not in made.read_bytes()


def test_a_matrix_stored_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"hunter2" * 1000)
    path = tmp_path / "mine.h5ad"
    made_cells().write_h5ad(path)
    for raw in (True, False):
        with h5py.File(path, "a") as file:
            del file["X"]
            place = [(str(tmp_path / "secret.txt"), 0, 40 * 30)]
            layout = h5py.VirtualLayout((40, 30), dtype="u1")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(40, 30))
            if raw:
                made = file.create_dataset("X", shape=(40, 30), dtype="u1", external=place)
            else:
                made = file.create_virtual_dataset("X", layout)
            made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        outcome = prepare(path)
        assert outcome.status == "failed"
        assert "/X is stored in another file" in outcome.reason


def test_a_file_whose_groups_go_round_in_circles_is_read(prepared: Path) -> None:
    with h5py.File(prepared / "cells.h5ad", "a") as file:
        file["uns/round"] = file["uns"]
        file["uns/soft"] = h5py.SoftLink("/uns/soft")
    assert prepare(prepared / "cells.h5ad").status in ("ok", "failed")


def test_a_shell_is_never_asked(payload: Payload, tmp_path: Path) -> None:
    """Words of a command reach the program as they are."""
    words = (f"; mkdir {payload.mark}", f"$(mkdir {payload.mark})", f"`mkdir {payload.mark}`", "&& x", "*")
    code = "import sys, numpy; open(sys.argv[1] + '.words', 'w').write(repr(sys.argv[2:])); sys.exit(5)"
    options = CommandOptions(command=(sys.executable, "-c", code, str(tmp_path / "seen"), *words, "{out}"))
    with pytest.raises(UserError, match="exit status 5"):
        Command(options, seed=0).embed(made_cells())
    assert (tmp_path / "seen.words").read_text().startswith(repr(list(words))[:-1])


def test_no_secret_of_the_environment_is_written(tmp_path: Path, monkeypatch, capfd) -> None:
    """What a step leaves goes onto pages and into issues."""
    for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "DATABASE_PASSWORD"):
        monkeypatch.setenv(name, "hunter2-of-this-test")
    models = tmp_path / "models.yaml"
    card = "{source: here, revision: '1', license: MIT, pretrained_on: [], saw: [counts]}"
    models.write_text(f"models: {{odd: {{adapter: file, path: nowhere.npy, card: {card}}}}}\n")
    data, out = write_prepared(tmp_path / "data" / "small"), tmp_path / "out"
    argv = ["embed", "--models", models, "--model", "odd", "--fit", "none", "--data", data, "--out", out]
    assert dispatch("models", COMMANDS, about="", argv=[*map(str, argv)]) == 0
    for path in out.rglob("*"):
        assert b"hunter2-of-this-test" not in path.read_bytes(), path
    assert "hunter2-of-this-test" not in "".join(capfd.readouterr())


def test_a_good_array_is_taken(tmp_path: Path) -> None:
    """Or the tests above would pass for a door that is shut."""
    cells = made_cells()
    values = np.random.default_rng(0).standard_normal((cells.n_obs, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    (tmp_path / "x.cells.txt").write_text("\n".join(cells.obs_names))
    assert np.array_equal(File(FileOptions(path=str(tmp_path / "x.npy"))).embed(cells), values)
    shutil.copy(tmp_path / "x.npy", tmp_path / "made.npy")
    code = f"import shutil, sys; shutil.copy({str(tmp_path / 'made.npy')!r}, sys.argv[1])"
    options = CommandOptions(command=(sys.executable, "-c", code, "{out}"))
    assert np.array_equal(Command(options, seed=0).embed(cells), values)
    cells.write_h5ad(tmp_path / "plain.h5ad")
    assert ad.read_h5ad(tmp_path / "plain.h5ad").n_obs == cells.n_obs
