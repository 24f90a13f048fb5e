import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from prepared import prepare, write
from scipy import sparse

from atlas import overlap
from atlas.corpus import hash_of
from atlas.overlap import barcode, fingerprints
from atlas.prepare import prepare_nothing
from contract.cli import dispatch
from contract.outcome import Outcome


@pytest.fixture
def data(save, entry, tmp_path):
    """Prepare an AnnData as one data set below tmp_path/data and return the folder of all."""

    def add(name, cells, **fields):
        folder = tmp_path / "data" / name
        write(prepare(save(cells, f"{name}.h5ad"), entry(id=name, **fields)), folder)
        Outcome(status="ok", stage="prepare").write(folder / "outcome.json")
        return tmp_path / "data"

    return add


@pytest.fixture
def refuse(entry, tmp_path):
    def add(name):
        folder = tmp_path / "data" / name
        prepare_nothing(entry(id=name), folder)
        Outcome(status="failed", stage="prepare", reason="no counts").write(folder / "outcome.json")

    return add


def _gather(folder, *parts, name="c"):
    out = folder.parent / "corpora" / name
    argv = ["corpus", "--name", name, "--data", str(folder), "--out", str(out)]
    argv += [word for part in parts for word in ("--part", part)]
    assert dispatch("atlas", {"corpus": ("atlas.corpus", "x")}, about="", argv=argv) == 0
    return out


def _compare(corpus, folder, name):
    out = corpus / f"overlap-{name}.json"
    argv = ["overlap", "--corpus", str(corpus), "--dataset-dir", str(folder / name), "--out", str(out)]
    assert dispatch("atlas", {"overlap": ("atlas.overlap", "x")}, about="", argv=argv) == 0
    return json.loads(out.read_text())


def _other(cells, *, seed=9, names="other"):
    """Return other cells of the same genes."""
    cells = cells.copy()
    counts = np.random.default_rng(seed).poisson(3.0, cells.shape)
    cells.X = sparse.csr_matrix(counts.astype(np.float32))
    cells.obs_names = [f"{names}{i}" for i in range(cells.n_obs)]
    return cells


def test_a_corpus_is_the_union_of_genes_and_says_who_measured_what(cells, data):
    left, right = cells[:, :20].copy(), _other(cells)[:, 10:].copy()
    folder = data("left", left)
    data("right", right)
    out = _gather(folder, "right=all", "left=all")
    joined, facts = ad.read_h5ad(out / "cells.h5ad"), json.loads((out / "corpus.json").read_text())
    assert joined.shape == (48, 30)
    for name, source in (("left", left), ("right", right)):
        rows = joined[joined.obs["dataset"] == name]
        np.testing.assert_array_equal(rows[:, source.var_names].X.toarray(), source.X.toarray())
        assert list(rows.obs_names) == [f"{name}:{cell}" for cell in source.obs_names]
        assert set(joined.var_names[joined.var[f"measured_{name}"]]) == set(source.var_names)
    assert set(joined.var_names[joined.var["in_all"]]) == set(left.var_names) & set(right.var_names)
    np.testing.assert_array_equal(joined[:24].obs["total_counts"], np.asarray(left.X.sum(axis=1)).ravel())
    assert facts["n_genes_in_all"] == 10
    assert facts["donors"] == sorted(f"{n}:d{i}" for n in ("left", "right") for i in range(4))
    assert facts["cell_ids_sha256"] == hash_of(joined.obs_names)
    assert (facts["n_cells"], facts["datasets"], facts["organism"]) == (48, ["left", "right"], "human")
    assert facts["studies"] == ["10.1000/mine"]


def test_only_training_units_get_in_and_no_label(cells, data):
    folder = data("one", cells)
    out = _gather(folder, "one=train")
    joined = ad.read_h5ad(out / "cells.h5ad")
    split = pd.read_parquet(folder / "one" / "split.parquet")
    assert list(joined.obs_names) == [f"one:{c}" for c in split["cell"][split["part"] == "train"]]
    raw = (out / "cells.h5ad").read_bytes()
    assert b"B cell" not in raw
    assert b"CL:0000" not in raw


def test_order_of_members_does_not_matter(cells, data):
    folder = data("a", cells)
    data("b", _other(cells))
    first, second = _gather(folder, "a=all", "b=all"), _gather(folder, "b=all", "a=all", name="d")
    one, two = ad.read_h5ad(first / "cells.h5ad"), ad.read_h5ad(second / "cells.h5ad")
    assert list(one.obs_names) == list(two.obs_names)
    assert (one.X != two.X).nnz == 0


def test_a_failed_or_split_less_or_foreign_member_is_an_outcome(cells, data, refuse, entry):
    folder = data("good", cells)
    refuse("bad")
    lone = _other(cells)
    lone.obs["donor_id"] = "one"
    data("lone", lone)
    mouse = _other(cells)
    mouse.var_names = [f"ENSMUSG{i:011d}" for i in range(30)]
    data("mouse", mouse, organism="mouse")
    for parts, words in {
        ("good=all", "bad=all"): "no counts",
        ("lone=train",): "no training units",
        ("good=all", "mouse=all"): "human, mouse",
        ("nowhere=all",): "no prepared data set",
    }.items():
        out = _gather(folder, *parts)
        outcome = Outcome.read(out / "outcome.json")
        assert outcome.status == "failed"
        assert words in outcome.reason
        assert ad.read_h5ad(out / "cells.h5ad").n_obs == 0
        assert json.loads((out / "corpus.json").read_text())["n_cells"] == 0
        assert _compare(out, folder, "good")["exposure"] == "none"


@pytest.mark.parametrize("parts", [["one"], ["one=test"], ["=all"], ["one=all", "one=train"]])
def test_wrong_parts_are_named(parts, tmp_path, capsys):
    argv = ["corpus", "--name", "c", "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    argv += [word for part in parts for word in ("--part", part)]
    assert dispatch("atlas", {"corpus": ("atlas.corpus", "x")}, about="", argv=argv) == 2
    assert "--part" in capsys.readouterr().err


def test_training_on_train_leaves_test_unseen_and_training_on_all_does_not(cells, data):
    folder = data("one", cells, citation="https://doi.org/10.1000/ONE")
    found = _compare(_gather(folder, "one=train"), folder, "one")
    assert found["exposure"] == "study_shared"
    assert (found["cells"]["test"]["in_corpus"], found["cells"]["train"]["share_in_corpus"]) == (0, 1.0)
    found = _compare(_gather(folder, "one=all", name="all"), folder, "one")
    assert found["exposure"] == "test_cells_seen"
    assert found["cells"]["test"]["share_in_corpus"] == 1.0


def test_renamed_cells_are_known_by_their_counts(cells, data):
    folder = data("one", cells)
    renamed = cells.copy()[::-1, ::-1][:, 2:].copy()
    renamed.obs_names = [f"new{i}" for i in range(24)]
    data("two", renamed, citation="elsewhere")
    found = _compare(_gather(folder, "one=all"), folder, "two")
    assert found["exposure"] == "test_cells_seen"
    assert found["same_study"] is False
    test = found["cells"]["test"]
    assert test["same_counts"] == test["comparable"] > 0
    assert test["same_name"] == 0


def test_other_cells_are_not_seen_though_they_bear_the_same_names(cells, data):
    folder = data("one", cells)
    data("two", _other(cells, names="cell"), citation="elsewhere")
    found = _compare(_gather(folder, "one=all"), folder, "two")
    assert found["exposure"] == "none"
    assert found["cells"]["test"]["same_name"] == found["cells"]["test"]["n"] > 0
    assert found["cells"]["test"]["same_counts"] == 0


def _with_barcodes(cells, suffix, *, seed=0):
    letters = np.random.default_rng(seed).choice(list("ACGT"), (cells.n_obs, 16))
    cells = cells.copy()
    cells.obs_names = ["".join(row) + suffix for row in letters]
    return cells


def test_cells_counted_anew_are_known_by_barcode_and_near_counts(cells, data):
    folder = data("one", _with_barcodes(cells, "-1"))
    anew = _with_barcodes(cells, "_run7")
    dense = anew.X.toarray()
    dense[:, 0] += 1
    anew.X = sparse.csr_matrix(dense)
    data("two", anew, citation="elsewhere")
    found = _compare(_gather(folder, "one=all"), folder, "two")
    test = found["cells"]["test"]
    assert (test["same_counts"], test["same_barcode_and_near_counts"]) == (0, test["n"])
    assert found["exposure"] == "test_cells_seen"


def test_both_are_read_block_by_block_to_the_same_end(cells, data, monkeypatch):
    folder = data("one", _with_barcodes(cells, "-1"))
    anew = _with_barcodes(cells, "_run7")[::-1].copy()
    anew.X = sparse.csr_matrix(anew.X + sparse.eye(*anew.shape, dtype=np.float32))
    data("two", anew, citation="elsewhere")
    corpus = _gather(folder, "one=all")
    whole, taken, take = _compare(corpus, folder, "two"), [], overlap._Counted.take
    monkeypatch.setattr(overlap, "ROWS", 5)
    monkeypatch.setattr(
        overlap._Counted, "take", lambda self, rows: taken.append(len(rows)) or take(self, rows)
    )
    assert _compare(corpus, folder, "two") == whole
    assert whole["cells"]["test"]["same_barcode_and_near_counts"] == whole["cells"]["test"]["n"]
    assert max(taken) == 5


def test_more_shared_barcodes_than_chance_betray_a_study(cells, data):
    folder = data("one", _with_barcodes(cells, "-1"))
    data("two", _with_barcodes(_other(cells), "-1"), citation="elsewhere")
    found = _compare(_gather(folder, "one=all"), folder, "two")
    assert found["exposure"] == "study_shared"
    assert "barcodes" in found["reason"]
    assert found["barcodes_expected_by_chance"] < 1


def test_donors_are_shared_within_a_study_only(cells, data):
    folder = data("one", cells)
    data("same", _other(cells))
    data("elsewhere", _other(cells, seed=8), citation="another")
    corpus = _gather(folder, "one=all")
    assert _compare(corpus, folder, "same")["donors"] == ["d0", "d1", "d2", "d3"]
    assert _compare(corpus, folder, "elsewhere")["donors"] == []


def test_fingerprints_ignore_the_order_of_genes_and_tell_cells_apart():
    counts = np.random.default_rng(0).poisson(1.5, (300, 60))
    genes = [f"g{i}" for i in range(60)]
    order = np.random.default_rng(1).permutation(60)
    first, ok = fingerprints(sparse.csr_matrix(counts, dtype=np.float32), genes)
    second, _ = fingerprints(sparse.csr_matrix(counts[:, order], dtype=np.float32), [genes[i] for i in order])
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) == 300
    np.testing.assert_array_equal(ok, (counts > 0).sum(axis=1) >= 20)
    alone, _ = fingerprints(sparse.csr_matrix(counts[250:251], dtype=np.float32), genes)
    assert alone[0] == first[250]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AAACATACATTTCC-1", "AAACATACATTTCC"),
        ("sample_AAACCTGAGAAACCAT-1-control", "AAACCTGAGAAACCAT"),
        ("plate6-027.GCCTCAGCAT", None),
        ("MGH54_P16_F12", None),
        ("AAACCTGAGAAACCATAAACCTGAGAAACCAT", None),
    ],
)
def test_barcodes_are_found_in_names(name, code):
    assert barcode(name) == code


def test_a_missing_file_is_one_line(tmp_path, capsys):
    argv = [
        "overlap",
        "--corpus",
        str(tmp_path),
        "--dataset-dir",
        str(tmp_path),
        "--out",
        str(tmp_path / "o"),
    ]
    assert dispatch("atlas", {"overlap": ("atlas.overlap", "x")}, about="", argv=argv) == 2
    argv = [
        "prepare",
        "--dataset",
        "blood_sim",
        "--source",
        str(tmp_path / "no.json"),
        "--out",
        str(tmp_path),
    ]
    argv += ["--datasets", str(tmp_path / "datasets.yaml")]
    assert dispatch("atlas", {"prepare": ("atlas.prepare", "x")}, about="", argv=argv) == 2
    err = capsys.readouterr().err
    assert err.count("no such file") == 2
    assert len(err.splitlines()) == 2
