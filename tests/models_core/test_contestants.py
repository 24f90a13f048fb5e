"""Controls and baselines against definitions, symmetries and independent code."""

import dataclasses
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import scvi
from sklearn.decomposition import PCA

from contract.errors import NotApplicable, UserError
from models.baselines import Hvg, Pca
from models.build import construct, load_class
from models.door import embed_checked
from models.harmony import Harmony, _as_rows
from models.normalise import log_normalised
from models.options import GeneOptions, HarmonyOptions, JitterOptions, PcaOptions, ScviOptions
from models.oracles import OntologyOracle, layout, ontology_distances
from models.protocol import Embedder, Trainable
from models.registry import ADAPTERS
from models.scvi_baseline import Scvi
from workflow.plan import STREAMS

OUTSIDE = ("recipe", "command", "file")
HERE = [name for name, adapter in ADAPTERS.items() if name not in OUTSIDE and not adapter.labelled]
QUICK = {"scvi": {"epochs": 1, "latent": 5, "hidden": 16, "n_genes": 50}, "pca": {"components": 10}}


def make(name: str, cells: ad.AnnData, truth, *, seed: int = 0):
    adapter = ADAPTERS[name]
    entry = {"name": name, "adapter": name, "target": adapter.target, "options": QUICK.get(name, {})}
    embedder = construct(entry, seed=seed, truth=truth)
    return embedder if adapter.fits == ("none",) else embedder.fit(cells, seed=seed)


@pytest.mark.parametrize("name", HERE)
def test_a_permutation_of_cells_permutes_rows(name: str, cells, truth) -> None:
    """Also when fitted on the permuted cells; the same seed gives the same bytes, twice."""
    order = np.random.default_rng(3).permutation(cells.n_obs)
    permuted = cells[order].copy()
    adapter = ADAPTERS[name]
    constant = name == "constant"
    first = embed_checked(make(name, cells, truth), cells, may_be_constant=constant).values
    again = embed_checked(make(name, cells, truth), cells, may_be_constant=constant).values
    assert first.tobytes() == again.tobytes()
    other = embed_checked(make(name, permuted, truth), permuted, may_be_constant=constant).values
    np.testing.assert_allclose(other, first[order], rtol=0, atol=adapter.card.equivariance_tolerance)


@pytest.mark.parametrize("name", HERE)
def test_contestants_keep_the_protocol(name: str, truth) -> None:
    adapter = ADAPTERS[name]
    entry = {"name": name, "adapter": name, "target": adapter.target, "options": {}}
    embedder = construct(entry, seed=0, truth=truth)
    assert isinstance(embedder, Trainable if adapter.saves else Embedder)
    assert embedder.card is adapter.card


@pytest.mark.parametrize("name", [name for name in HERE if ADAPTERS[name].stochastic])
def test_another_seed_is_another_embedding(name: str, cells, truth) -> None:
    one, two = (make(name, cells, truth, seed=seed).embed(cells) for seed in (0, 1))
    assert np.abs(one - two).max() > 1e-3


def test_normalisation_uses_the_whole_cell(cells) -> None:
    cells.obs.loc[cells.obs_names[3], "total_counts"] = np.nan
    counts = cells.X.toarray().astype(float)
    total = cells.obs["total_counts"].to_numpy().copy()
    total[3] = counts[3].sum()
    np.testing.assert_allclose(log_normalised(cells).toarray(), np.log1p(counts / total[:, None] * 1e4))
    cells.X = sp.csr_matrix(np.where(np.arange(cells.n_obs)[:, None] == 3, 0, counts))
    assert not log_normalised(cells)[3].nnz


def test_pca_is_that_of_scikit_learn(cells) -> None:
    train, test = cells[:120].copy(), cells[120:].copy()
    ours = Pca(PcaOptions(components=10)).fit(train, seed=0)
    theirs = PCA(10, svd_solver="full").fit(log_normalised(train)[:, :].toarray())
    for some in (train, test):
        reference = theirs.transform(log_normalised(some).toarray())
        sign = np.sign((ours.embed(some) * reference).sum(axis=0))
        if some is train:
            kept = sign
        np.testing.assert_allclose(ours.embed(some) * kept, reference, atol=2e-4)


def test_pca_keeps_no_empty_components(cells) -> None:
    assert Pca(PcaOptions()).fit(cells[:8].copy(), seed=0).embed(cells).shape == (200, 7)
    cells.X = sp.csr_matrix(np.ones(cells.shape, dtype=np.float32))
    cells.obs["total_counts"] = 150.0
    with pytest.raises(NotApplicable, match="all alike"):
        Pca(PcaOptions()).fit(cells, seed=0)


@pytest.mark.parametrize(
    ("kind", "options"), [(Pca, PcaOptions(components=8)), (Hvg, GeneOptions(n_genes=40))]
)
def test_other_genes_in_another_order(kind, options, cells) -> None:
    """Gene order changes nothing, a strange gene adds nothing, a missing one counts as its mean."""
    fitted = kind(options).fit(cells, seed=0)
    expected = fitted.embed(cells)
    shuffled = cells[:, np.random.default_rng(0).permutation(cells.n_vars)].copy()
    np.testing.assert_allclose(fitted.embed(shuffled), expected, atol=1e-5)
    gone = fitted.genes[0]
    fewer = fitted.embed(cells[:, cells.var_names != gone].copy())
    column = log_normalised(cells)[:, [cells.var_names.get_loc(gone)]].toarray() - fitted.mean[0]
    loading = fitted.loadings[:1] if kind is Pca else np.eye(len(fitted.genes))[:1]
    np.testing.assert_allclose(expected - fewer, column @ loading, atol=1e-4)
    with pytest.raises(NotApplicable, match=f"of the {len(fitted.genes)} genes"):
        fitted.embed(cells[:, ~cells.var_names.isin(fitted.genes[2:])].copy())


@pytest.mark.parametrize(
    "embedder",
    [
        Hvg(GeneOptions(n_genes=30)),
        Pca(PcaOptions(components=5)),
        Scvi(ScviOptions(epochs=2, latent=4, hidden=8, n_genes=60)),
    ],
    ids=lambda e: type(e).__name__,
)
def test_saved_and_loaded(embedder, cells, tmp_path: Path) -> None:
    embedder.fit(cells, seed=1).save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = type(embedder).load(tmp_path)
    assert loaded.embed(cells).tobytes() == embedder.embed(cells).tobytes()
    (tmp_path / "arrays.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match="no readable checkpoint"):
        type(embedder).load(tmp_path)


def test_genes_come_from_the_fitted_cells_and_from_all_data_sets(cells) -> None:
    cells.var["in_all"] = np.arange(cells.n_vars) >= 100
    chosen = Hvg(GeneOptions(n_genes=20)).fit(cells, seed=0).genes
    assert len(chosen) == 20
    assert set(chosen) <= set(cells.var_names[100:])
    counts = cells.X.toarray()
    counts[:50, 120] = 0
    cells.X = sp.csr_matrix(counts)
    assert cells.var_names[120] not in Hvg(GeneOptions(n_genes=49)).fit(cells[:50].copy(), seed=0).genes


def test_harmony(cells, monkeypatch) -> None:
    fitted = Harmony(HarmonyOptions(components=10)).fit(cells, seed=0)
    corrected, plain = fitted.embed(cells), Pca(PcaOptions(components=10)).fit(cells, seed=0).embed(cells)
    batch = (cells.obs["batch"] == "b1").to_numpy()

    def gap(values):
        return np.linalg.norm(values[batch].mean(axis=0) - values[~batch].mean(axis=0))

    assert gap(corrected) < 0.7 * gap(plain)
    assert np.array_equal(fitted.embed(cells[[5, 2]].copy()), corrected[[5, 2]])
    strange = cells.copy()
    strange.obs_names = [f"x{name}" for name in cells.obs_names]
    with pytest.raises(UserError, match="unseen when fitted"):
        fitted.embed(strange)
    cells.obs["batch"] = "one"
    with pytest.raises(NotApplicable, match="nothing to correct"):
        Harmony(HarmonyOptions()).fit(cells, seed=0)


def test_harmonys_answer_in_either_orientation() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(_as_rows(rows, shape=(3, 2)), rows)
    assert np.array_equal(_as_rows(rows.T, shape=(3, 2)), rows)
    with pytest.raises(ValueError, match="shape"):
        _as_rows(rows, shape=(4, 2))


def test_scvi_embeds_as_scvi_tools_does(cells, monkeypatch) -> None:
    trained = []

    class Spy(scvi.model.SCVI):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            trained.append(self)

    monkeypatch.setattr(scvi.model, "SCVI", Spy)
    ours = Scvi(ScviOptions(epochs=3, latent=4, hidden=16, n_genes=150)).fit(cells, seed=0)
    table = trained[0].adata
    expected = trained[0].get_latent_representation(table)
    np.testing.assert_allclose(ours.embed(cells[table.obs_names].copy()), expected, atol=1e-5)
    assert scvi.model.SCVI is Spy
    cells.obs["batch"] = "never seen"
    assert np.array_equal(ours.embed(cells), ours.embed(cells))


def test_scvi_learns_the_same_without_a_log(cells, monkeypatch) -> None:
    options = ScviOptions(epochs=2, latent=4, hidden=16, n_genes=150)
    quiet = Scvi(options).fit(cells, seed=0)
    monkeypatch.setattr("models.scvi_training.Unlogged", scvi.train.TrainingPlan)
    logged = Scvi(options).fit(cells, seed=0)
    assert np.array_equal(quiet.embed(cells), logged.embed(cells))


def test_scvi_trains_when_one_cell_is_left_over(cells, capsys, monkeypatch) -> None:
    monkeypatch.setattr("contract.progress.SECONDS_A_LINE", 0.0)
    counts = cells.X.toarray()[:130]
    counts[0] = 0
    some = cells[:130].copy()
    some.X = sp.csr_matrix(counts)
    values = Scvi(ScviOptions(epochs=1, latent=2, hidden=4, n_genes=150)).fit(some, seed=0).embed(some)
    assert np.isfinite(values).all()
    said = capsys.readouterr()
    assert "1 of 130 cells without a count" in said.out
    assert "passes over the cells: 1 of 1 (100%)" in said.err


def test_controls_bracket(cells, truth) -> None:
    """Oracle: near its own type. Shuffled: the very rows of the PCA. Batch only: near its own batch."""
    label = truth["label"].fillna("").to_numpy()
    for name, groups in (("oracle", label), ("batch_only", cells.obs["batch"].to_numpy())):
        values = make(name, cells, truth).embed(cells)
        distance = np.linalg.norm(values[:, None] - values[None], axis=2) + 9 * np.eye(len(values))
        assert (groups[distance.argmin(axis=1)] == groups).all()
    shuffled, plain = (make(name, cells, truth).embed(cells) for name in ("shuffled", "pca"))
    rows = {row.tobytes() for row in Pca(PcaOptions()).fit(cells, seed=0).embed(cells)}
    assert {row.tobytes() for row in shuffled} == rows
    assert not np.allclose(shuffled[:, :5], plain[:, :5])


def test_ontology_oracle_follows_the_ontology(cells, truth) -> None:
    """T and B cells share a parent that monocytes do not have."""
    values = OntologyOracle(JitterOptions(jitter=0.0), truth=truth, seed=0).embed(cells)
    centre = {
        label: values[(truth["label"] == label).to_numpy()][0] for label in ("B cell", "T cell", "monocyte")
    }
    t_to_b, t_to_mono = (np.linalg.norm(centre["T cell"] - centre[x]) for x in ("B cell", "monocyte"))
    assert 0.9 < t_to_b < t_to_mono
    stranger = values[truth["label"].isna().to_numpy()][0]
    assert min(np.linalg.norm(stranger - point) for point in centre.values()) > 0.5


def test_ontology_distances() -> None:
    """A T cell is one edge from alpha-beta and gamma-delta T cells each; those are two apart."""
    steps = ontology_distances(("CL:0000084", "CL:0000789", "CL:0000798"))
    assert np.array_equal(steps, steps.T)
    assert steps[0].tolist() == [0, 1, 1]
    assert steps[1, 2] == 2
    points = layout(steps)
    np.testing.assert_allclose(np.linalg.norm(points[:, None] - points[None], axis=2), steps, atol=1e-9)
    with pytest.raises(UserError, match="CL:9999999"):
        ontology_distances(("CL:9999999", "CL:0000084"))


def test_oracles_without_labels(cells, truth) -> None:
    empty = truth.assign(label=None, ontology_id=None)
    for name in ("oracle", "ontology_oracle"):
        with pytest.raises(NotApplicable, match="no cell has a label"):
            make(name, cells, empty).embed(cells)
    with pytest.raises(NotApplicable, match="0 type"):
        make("ontology_oracle", cells, truth.assign(ontology_id=None)).embed(cells)
    with pytest.raises(UserError, match="no row for cell"):
        make("oracle", cells, truth.iloc[1:]).embed(cells)


def test_the_workflow_asks_for_memory_as_the_classes_read() -> None:
    found = {name for name, a in ADAPTERS.items() if getattr(load_class(a.target), "streams", False)}
    assert found == STREAMS


def test_unknown_classes() -> None:
    with pytest.raises(UserError, match="no module 'nowhere'"):
        load_class("nowhere.mod:Class")
    with pytest.raises(UserError, match=r"no 'Nothing' in models\.card"):
        load_class("models.card:Nothing")


def test_options_are_complete() -> None:
    """Each adapter's defaults pass their own checks."""
    for name in HERE:
        options = ADAPTERS[name].options()
        for field in dataclasses.fields(options):
            limits, value = field.metadata, getattr(options, field.name)
            assert not limits or value is None or limits["least"] <= value <= limits["most"]
