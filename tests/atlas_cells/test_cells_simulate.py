from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from atlas.genes import gene_table
from atlas.ontology import cell_ontology
from atlas.simulate import Simulation, simulate, simulate_to_file, type_log_folds
from contract.cli import dispatch
from contract.errors import UserError

CD4_NAIVE, CD4_MEMORY, CLASSICAL = "CL:0000895", "CL:0000897", "CL:0000860"
NUMBERS = (895, 897, 900, 909, 623, 788, 786, 860, 875, 990)
BLOOD = [f"CL:{number:07d}" for number in NUMBERS]
SMALL = Simulation(seed=3, n_cells=200, types=(CD4_NAIVE, CD4_MEMORY, CLASSICAL), n_genes=300)


def test_cells_have_the_promised_shape():
    cells = simulate(SMALL)
    assert cells.shape == (200, 300)
    assert cells.X.dtype == np.float32
    assert (cells.X.data >= 1).all()
    assert (cells.X.data == np.rint(cells.X.data)).all()
    assert tuple(cells.var_names) == gene_table().ids[:300]
    assert cells.obs_names.is_unique
    assert set(cells.obs["cell_type_ontology_term_id"]) == set(SMALL.types)
    names = cell_ontology().names
    assert all(names[t] == n for t, n in zip(cells.obs.iloc[:, 1], cells.obs["cell_type"], strict=True))


def test_each_donor_is_in_one_batch_and_all_batches_are_there():
    obs = simulate(replace(SMALL, n_donors=7, n_batches=3)).obs
    assert (obs.groupby("donor_id")["batch"].nunique() == 1).all()
    assert obs["donor_id"].nunique() == 7
    assert obs["batch"].nunique() == 3


def test_same_parameters_same_bytes_and_another_seed_other_cells(tmp_path):
    for name in ("a", "b"):
        simulate_to_file(SMALL, tmp_path / f"{name}.h5ad")
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()
    other = simulate(replace(SMALL, seed=4))
    assert not set(other.obs_names) & set(simulate(SMALL).obs_names)
    assert (other.X != simulate(SMALL).X).nnz > 0


def test_counts_without_dispersion_are_poisson_gene_by_gene():
    """One type, one donor: the quick way draws what the long one does."""
    names = ("programme", "donor", "batch", "library", "dropout")
    plain = {f"{name}_strength": 0.0 for name in names} | {"depth_spread": 0.0, "dispersion": 0.0}
    same = replace(SMALL, n_cells=4000, n_genes=40, n_donors=1, n_batches=1, types=(CLASSICAL,), **plain)
    quick = simulate(same).X.toarray().astype(float)
    long = simulate(replace(same, dispersion=1e-9)).X.toarray().astype(float)
    np.testing.assert_allclose(quick.mean(axis=0), long.mean(axis=0), rtol=0.1)
    assert abs(np.median(quick.var(axis=0) / quick.mean(axis=0)) - 1) < 0.05
    assert abs(np.corrcoef(quick[:, 0], quick[:, 1])[0, 1]) < 0.06  # genes are independent


def test_a_file_is_written_in_blocks_and_holds_what_is_drawn_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("atlas.simulate.BLOCK_VALUES", 30_000)  # two blocks of SMALL
    simulate_to_file(SMALL, tmp_path / "blocks.h5ad")
    written, drawn = ad.read_h5ad(tmp_path / "blocks.h5ad"), simulate(SMALL)
    assert (written.X != drawn.X).nnz == 0
    assert written.obs.astype(str).equals(drawn.obs.astype(str))
    assert list(written.uns["simulation"]["types"]) == list(SMALL.types)


def test_an_atlas_may_have_twenty_thousand_genes():
    cells = simulate(replace(SMALL, n_cells=8, n_genes=20_000))
    assert cells.shape == (8, 20_000)
    assert cells.var_names.is_unique


def test_types_of_near_kin_are_alike_and_programmes_do_not_depend_on_company():
    folds = type_log_folds(SMALL)
    memory, monocyte = np.linalg.norm(folds[0] - folds[1]), np.linalg.norm(folds[0] - folds[2])
    assert memory < 0.7 * monocyte
    alone = type_log_folds(replace(SMALL, types=(CLASSICAL,)))
    np.testing.assert_array_equal(alone[0], folds[2])


def test_programmes_are_inherited_from_every_parent():
    """The fold of a type minus its own programme is the sum over its other ancestors, each once."""
    ontology = cell_ontology()
    several = next(t for t in BLOOD if len(ontology.parents()[t]) > 1)
    line = sorted(ontology.ancestors(several))
    variances = replace(SMALL, programme_share=1.0, programme_strength=1.0, n_genes=2000)
    spread = type_log_folds(replace(variances, types=(several,)))[0].std()
    assert abs(spread / np.sqrt(len(line)) - 1) < 0.1


def test_counts_have_negative_binomial_variance():
    """One type, no donor, batch or depth effects: var = μ + α μ² gene by gene."""
    plain = {f"{name}_strength": 0.0 for name in ("programme", "donor", "batch", "library", "dropout")} | {
        "depth_spread": 0.0
    }
    for alpha in (0.0, 0.5):
        s = Simulation(
            seed=0,
            n_cells=6000,
            types=(CLASSICAL,),
            n_genes=50,
            n_donors=1,
            n_batches=1,
            dispersion=alpha,
            **plain,
        )
        counts = simulate(s).X.toarray().astype(float)
        mean, variance = counts.mean(axis=0), counts.var(axis=0)
        ratio = variance / (mean + alpha * mean**2)
        assert abs(np.median(ratio) - 1) < 0.05
        assert abs(np.median(counts.sum(axis=1)) / s.median_counts - 1) < 0.1


def _totals(simulation):
    return np.asarray(simulate(simulation).X.sum(axis=1)).ravel()


def test_library_dropout_and_depth_do_what_they_say():
    base = replace(SMALL, n_cells=400, library_strength=0.0, dropout_strength=0.0, depth_spread=0.0)
    plain = _totals(base)
    assert np.log(_totals(replace(base, depth_spread=0.8))).std() > 3 * np.log(plain).std()
    assert _totals(replace(base, dropout_strength=0.9)).mean() < 0.9 * plain.mean()
    shifted = _totals(replace(base, library_strength=2.0))
    batch = simulate(base).obs["batch"].to_numpy(dtype=str)
    gap = [
        np.log(t[batch == "batch_1"]).mean() - np.log(t[batch == "batch_2"]).mean() for t in (plain, shifted)
    ]
    assert abs(gap[1]) > 5 * abs(gap[0])


def test_demo_is_neither_hopeless_nor_trivial_and_batches_show():
    """PCA and 15 neighbours, five folds of two held-out donors: the range the controls need."""
    cells = simulate(Simulation(seed=0, n_cells=1600, types=tuple(BLOOD), n_donors=10))
    counts = cells.X.toarray()
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    space = PCA(50, random_state=0).fit_transform(logged)
    kind, donor, batch = (cells.obs[c].to_numpy(dtype=str) for c in ("cell_type", "donor_id", "batch"))
    right = []
    for fold in range(5):
        held = np.isin(donor, [f"donor_{2 * fold + 1:02d}", f"donor_{2 * fold + 2:02d}"])
        knn = KNeighborsClassifier(15).fit(space[~held], kind[~held])
        right.append((knn.predict(space[held]) == kind[held]).mean())
    assert 0.75 < np.mean(right) < 0.92
    near = NearestNeighbors(n_neighbors=16).fit(space).kneighbors(return_distance=False)
    assert 0.65 < (batch[near] == batch[:, None]).mean() < 0.97


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("n_cells", 0),
        ("n_cells", 2.5),
        ("n_genes", 10**6),
        ("n_donors", 1),  # fewer than batches
        ("n_batches", 0),
        ("median_counts", 0),
        ("dispersion", -0.1),
        ("programme_share", 1.5),
        ("dropout_strength", 2),
        ("depth_spread", float("nan")),
        ("composition", 0),
        ("batch_strength", "strong"),
        ("types", ()),
        ("types", (CLASSICAL, CLASSICAL)),
        ("types", ("CL:9999999",)),
        ("types", ("CL:0000003",)),  # obsolete
    ],
)
def test_values_out_of_range_name_the_field(field, value):
    with pytest.raises(UserError, match=f"simulation: {field}") as error:
        replace(SMALL, **{field: value})
    assert "\n" not in str(error.value)


def test_command_writes_the_same_cells_and_names_a_wrong_option(tmp_path, capsys):
    command = {"simulate": ("atlas.simulate", "x")}
    argv = ["simulate", "--seed", "3", "--n-cells", "200", "--n-genes", "300", "--types", *SMALL.types]
    argv += ["--out", str(tmp_path / "a.h5ad")]
    assert dispatch("atlas", command, about="", argv=argv) == 0
    simulate_to_file(SMALL, tmp_path / "b.h5ad")
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()
    assert dispatch("atlas", command, about="", argv=[*argv, "--dispersion", "-1"]) == 2
    assert "simulation: dispersion: found -1.0" in capsys.readouterr().err
