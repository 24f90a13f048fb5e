import numpy as np
import pytest
import scipy.sparse as sp

from contract.errors import NotApplicable, UserError
from models.options import RecipeOptions
from models.pretrained import Pretrained


def options(**other):
    return RecipeOptions(**({"recipe": "geneformer", "size": "tiny", "budget_cells": 400} | other))


@pytest.fixture(scope="module")
def fitted(cells_of):
    return Pretrained(options()).fit(cells_of(), seed=0)


def test_saved_and_loaded_embeds_alike(fitted, cells_of, tmp_path):
    cells = cells_of(50, seed=1)
    fitted.save(tmp_path)
    loaded = Pretrained.load(tmp_path)
    found = loaded.embed(cells)
    assert found.shape == (50, 64)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, fitted.embed(cells))
    assert loaded.card == fitted.card
    assert loaded.card.pretrained_on == ("toy",)
    assert loaded.card.organism == "Homo sapiens"
    loaded.save(tmp_path / "again")
    for path in tmp_path.glob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_same_seed_same_embedding(fitted, cells_of):
    cells = cells_of(50, seed=1)
    np.testing.assert_array_equal(
        Pretrained(options()).fit(cells_of(), seed=0).embed(cells), fitted.embed(cells)
    )
    assert not np.allclose(Pretrained(options()).fit(cells_of(), seed=1).embed(cells), fitted.embed(cells))


def test_rows_follow_their_cells_columns_and_depth_do_not_matter(fitted, cells_of):
    cells, rng = cells_of(60, seed=1), np.random.default_rng(0)
    whole, order = fitted.embed(cells), rng.permutation(60)
    tolerance = fitted.card.equivariance_tolerance
    np.testing.assert_allclose(fitted.embed(cells[order].copy()), whole[order], atol=tolerance)
    np.testing.assert_allclose(fitted.embed(cells[3:4].copy())[0], whole[3], atol=tolerance)
    np.testing.assert_array_equal(fitted.embed(cells[:, rng.permutation(40)].copy()), whole)
    deeper = cells.copy()
    deeper.X = deeper.X * 2
    np.testing.assert_array_equal(fitted.embed(deeper), whole)
    deeper.obs["total_counts"] = np.nan
    np.testing.assert_array_equal(fitted.embed(deeper), whole)


def test_training_moves_the_weights_of_the_untrained_twin(fitted, cells_of):
    twin = Pretrained(options(init="random")).fit(cells_of(), seed=0)
    assert twin._checkpoint.curve == []
    assert twin.card.saw == ("counts",)
    assert fitted.card.saw == ("counts", "pretraining")
    assert twin._checkpoint.vocabulary.genes == fitted._checkpoint.vocabulary.genes
    assert (twin._checkpoint.vocabulary.medians == fitted._checkpoint.vocabulary.medians).all()
    cells = cells_of(50, seed=1)
    assert not np.allclose(twin.embed(cells), fitted.embed(cells))
    resumed = Pretrained(options(init="random")).fit(cells_of(), seed=0)
    np.testing.assert_array_equal(resumed.embed(cells), twin.embed(cells))


@pytest.mark.parametrize(("donors", "held_out"), [(8, 30), (0, 0), (3, 0)])
def test_whole_donors_are_held_out_for_validation(cells_of, donors, held_out):
    model = Pretrained(options(budget_cells=50)).fit(cells_of(donors=donors), seed=0)
    assert model._corpus["held_out_cells"] == held_out
    assert all((record["validation"] is not None) == bool(held_out) for record in model._checkpoint.curve)


def test_a_killed_training_resumes(fitted, cells_of, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill(self, record):
        if record["step"] > 10:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("models.pretrained.Progress.__call__", kill)
        with pytest.raises(Killed):
            Pretrained(options(), workdir=tmp_path / "work").fit(cells_of(), seed=0)
    model = Pretrained(options(), workdir=tmp_path / "work").fit(cells_of(), seed=0)
    cells = cells_of(50, seed=1)
    np.testing.assert_array_equal(model.embed(cells), fitted.embed(cells))
    assert model._checkpoint.curve == fitted._checkpoint.curve


def test_cells_without_totals_or_genes_are_counted(cells_of, capsys):
    cells = cells_of()
    cells.obs.iloc[:5, cells.obs.columns.get_loc("total_counts")] = np.nan
    cells.X = sp.csr_matrix(cells.X.toarray() * (np.arange(240) != 7)[:, None])
    model = Pretrained(options(init="random")).fit(cells, seed=0)
    assert model._corpus["cells_without_total"] == 5
    assert model._corpus["cells_without_gene"] == 1
    assert "5 of 240 cells without total" in capsys.readouterr().err
    Pretrained(options(budget_cells=240)).fit(cells, seed=0)


def test_the_hvg_trap_is_closed(cells_of):
    cells = cells_of()
    cells.obs["total_counts"] = np.nan
    with pytest.raises(NotApplicable, match="no cell has a total"):
        Pretrained(options()).fit(cells, seed=0)


def test_what_cannot_be_embedded_is_not_applicable(fitted, cells_of):
    with pytest.raises(NotApplicable, match="corpus is Homo sapiens, the cells Mus musculus"):
        fitted.embed(cells_of(20, organism="Mus musculus"))
    mouse = cells_of(20, organism="Mus musculus")
    mouse.uns["genes_of"] = "Homo sapiens"  # as where human ids stand for the orthologues
    np.testing.assert_array_equal(fitted.embed(mouse), fitted.embed(cells_of(20)))
    mouse.uns["genes_of"] = "Mus musculus"
    with pytest.raises(NotApplicable, match="corpus is Homo sapiens, the cells Mus musculus"):
        fitted.embed(mouse)
    strange = cells_of(20)
    strange.var_names = [*strange.var_names[:15], *(f"x{i}" for i in range(strange.n_vars - 15))]
    with pytest.raises(NotApplicable, match="15 of the data set's 40"):
        fitted.embed(strange)
    cells = cells_of(20)
    cells.X = sp.csr_matrix(cells.X.toarray() * (np.arange(20) != 3)[:, None])
    with pytest.raises(NotApplicable, match=r"1 cell\(s\) express no gene"):
        fitted.embed(cells)
    assert np.isfinite(fitted.embed(cells_of(20, organism=""))).all()


def test_a_recipe_that_reads_depth_needs_totals(cells_of):
    model = Pretrained(options(recipe="scfoundation", budget_cells=60)).fit(cells_of(120), seed=0)
    cells = cells_of(20, seed=1)
    assert np.isfinite(model.embed(cells)).all()
    cells.obs["total_counts"] = np.nan
    with pytest.raises(NotApplicable, match=r"20 cell\(s\) have no total count, and recipe scfoundation"):
        model.embed(cells)


def test_frozen_gene_vectors_are_those_of_the_corpus_and_stay(cells_of, tmp_path):
    model = Pretrained(options(recipe="uce_style", budget_cells=60)).fit(cells_of(120), seed=0)
    twin = Pretrained(options(recipe="uce_style", init="random")).fit(cells_of(120), seed=1)
    one, other = (m._checkpoint.network.encoder.embed.genes.vectors for m in (model, twin))
    first = len(model._checkpoint.vocabulary.specials)
    assert (one[first:] == other[first:]).all()
    near = one[first:] @ one[first:].T
    same = np.arange(40)[:, None] // 10 == np.arange(40) // 10
    assert near[same].mean() > near[~same].mean() + 0.3
    model.save(tmp_path)
    loaded = Pretrained.load(tmp_path)
    assert (loaded._checkpoint.network.encoder.embed.genes.vectors == one).all()


def write_vectors(path, genes, width, **other):
    vectors = np.random.default_rng(0).normal(size=(len(genes), width))
    np.savez(path, **({"genes": np.array(genes), "vectors": vectors} | other))
    return str(path)


def test_gene_vectors_may_come_from_outside(cells_of, tmp_path):
    cells = cells_of(120)
    known = [*(gene for i, gene in enumerate(cells.var_names) if i % 4), "elsewhere"]
    path = write_vectors(tmp_path / "proteins.npz", known, 9)
    model = Pretrained(options(recipe="uce_style", budget_cells=60, gene_vectors=path)).fit(cells, seed=0)
    assert model._checkpoint.vocabulary.genes == tuple(sorted(known[:30]))
    assert "read from proteins.npz (sha256 " in model.card.note
    vectors = model._checkpoint.network.encoder.embed.genes.vectors[-30:].numpy()
    np.testing.assert_array_equal(vectors, np.load(path)["vectors"][:30].astype(np.float32))
    model.save(tmp_path / "state")
    cells = cells_of(20, seed=1)
    np.testing.assert_array_equal(Pretrained.load(tmp_path / "state").embed(cells), model.embed(cells))


def test_unfit_gene_vectors_are_one_line(cells_of, tmp_path):
    genes = list(cells_of(20).var_names)
    (tmp_path / "text.npz").write_text("no")
    wrong = {
        "learns its own": ("geneformer", write_vectors(tmp_path / "a.npz", genes, 9)),
        "width 9; expected 64": ("scbert", write_vectors(tmp_path / "b.npz", genes, 9)),
        "each once": ("uce_style", write_vectors(tmp_path / "c.npz", genes[:-1] + genes[:1], 9)),
        "vectors \\(3, 9\\)": (
            "uce_style",
            write_vectors(tmp_path / "d.npz", genes, 9, vectors=np.ones((3, 9))),
        ),
        "expected an .npz": ("uce_style", str(tmp_path / "text.npz")),
        "No such file": ("uce_style", str(tmp_path / "nowhere.npz")),
    }
    for message, (name, path) in wrong.items():
        with pytest.raises(UserError, match=message) as caught:
            Pretrained(options(recipe=name, gene_vectors=path)).fit(cells_of(60), seed=0)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf])
def test_what_is_not_counts_is_refused(fitted, cells_of, value):
    cells = cells_of(20)
    cells.X.data[4] = value
    with pytest.raises(UserError, match="not counts"):
        fitted.embed(cells)
    with pytest.raises(UserError, match="not counts"):
        Pretrained(options()).fit(cells, seed=0)


def test_unknown_recipe_and_damaged_state_are_one_line(fitted, cells_of, tmp_path):
    for wrong in ({"recipe": "genformer"}, {"size": "huge"}):
        with pytest.raises(UserError, match="known: "):
            Pretrained(options(**wrong)).fit(cells_of(), seed=0)
    with pytest.raises(UserError, match="damaged"):
        Pretrained.load(tmp_path)
    fitted.save(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="pre-train again") as caught:
        Pretrained.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_training_is_not_resumed_with_other_code(cells_of, tmp_path, monkeypatch, capsys):
    def steps():
        capsys.readouterr()
        Pretrained(options(budget_cells=100), workdir=tmp_path / "work").fit(cells_of(), seed=0)
        return capsys.readouterr().err.count("pretrain: step")

    whole = steps()
    assert whole > 0
    assert steps() == 0
    (tmp_path / "engine.py").write_text("edited = True")
    monkeypatch.setattr("models.pretrained.ENGINE", tmp_path)
    assert steps() == whole
