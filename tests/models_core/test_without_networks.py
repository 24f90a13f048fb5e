"""Rank scores, weighted gene vectors and scTOP against their definitions, written another way."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import erfinv
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from contract.errors import NotApplicable, UserError
from models.labelled import Labels, predict_checked
from models.normalise import log_normalised
from models.options import GeneVectorOptions, RankOptions, ScTopOptions
from models.rank_normal import RankPca, normal_scores
from models.sctop import ScTop
from models.weighted_vectors import WeightedVectors


def by_definition(counts):
    rank = rankdata(counts, axis=1)
    score = np.sqrt(2) * erfinv(2 * rank / (counts.shape[1] + 1) - 1)
    return score / np.linalg.norm(score, axis=1, keepdims=True)


def test_normal_scores(cells) -> None:
    counts = cells.X.toarray()
    counts[3] += 1  # a cell without a zero
    found = normal_scores(sp.csr_matrix(counts))
    np.testing.assert_allclose(found.dense(), by_definition(counts), atol=1e-12)
    chosen = np.array([5, 2])
    np.testing.assert_allclose(found.columns(chosen).dense(), by_definition(counts)[:, chosen], atol=1e-12)
    monotone = normal_scores(sp.csr_matrix(np.log1p(counts / counts.sum(1, keepdims=True) * 1e4)))
    np.testing.assert_allclose(monotone.dense(), found.dense(), atol=1e-12)
    counts[7] = 0
    with pytest.raises(NotApplicable, match=r"1 cell\(s\) whose genes are all alike"):
        normal_scores(sp.csr_matrix(counts))


@pytest.mark.parametrize("components", [20, 100])
def test_rank_pca_is_that_of_scikit_learn(cells, components, tmp_path) -> None:
    """Both ways: few components by the iterative solver, many by the dense one."""
    train, test = cells[:160].copy(), cells[160:].copy()
    ours = RankPca(RankOptions(components=components)).fit(train, seed=0)
    scaler = StandardScaler().fit(by_definition(train.X.toarray()))
    theirs = PCA(components, whiten=True, svd_solver="full")
    expected = theirs.fit_transform(scaler.transform(by_definition(train.X.toarray())))
    sign = np.sign((ours.embed(train) * expected).sum(axis=0))
    scale = np.sqrt(160 / 159)  # scikit-learn divides by N − 1
    np.testing.assert_allclose(ours.embed(train) * sign, expected * scale, atol=1e-4)
    projected = theirs.transform(scaler.transform(by_definition(test.X.toarray())))
    np.testing.assert_allclose(ours.embed(test) * sign, projected * scale, atol=1e-4)
    ours.save(tmp_path)
    assert RankPca.load(tmp_path).embed(test).tobytes() == ours.embed(test).tobytes()


def test_rank_pca_takes_the_genes_whose_scores_vary_most(cells) -> None:
    spread = by_definition(cells.X.toarray()).std(axis=0)
    wanted = cells.var_names[np.argsort(-spread)[:30]]
    assert set(RankPca(RankOptions(n_genes=30)).fit(cells, seed=0).genes) == set(wanted)


def vectors_of(path, genes):
    vectors = np.random.default_rng(0).normal(size=(len(genes), 7))
    np.savez(path, genes=np.array(genes), vectors=vectors)
    return vectors


def test_weighted_vectors_from_a_file(cells, tmp_path) -> None:
    """A gene without a vector keeps its weight and counts with the zero vector."""
    known = [*cells.var_names[10:][::-1], "ENSG elsewhere"]
    vectors = vectors_of(tmp_path / "texts.npz", known)
    values = log_normalised(cells).toarray()
    whole = np.zeros((cells.n_vars, 7))
    whole[10:] = vectors[:-1][::-1]
    options = {"gene_vectors": str(tmp_path / "texts.npz")}
    share = WeightedVectors(GeneVectorOptions(**options)).fit(cells, seed=0)
    np.testing.assert_allclose(share.embed(cells), values @ whole / values.sum(1, keepdims=True), atol=1e-5)
    plain = WeightedVectors(GeneVectorOptions(**options, weights="plain")).fit(cells, seed=0)
    np.testing.assert_allclose(plain.embed(cells), values @ whole / cells.n_vars, atol=1e-5)
    share.save(tmp_path / "state")
    loaded = WeightedVectors.load(tmp_path / "state")
    assert loaded.embed(cells).tobytes() == share.embed(cells).tobytes()
    assert loaded.file["name"] == "texts.npz"
    np.savez(tmp_path / "twice.npz", genes=np.array(["a", "a"]), vectors=np.ones((2, 3)))
    twice = WeightedVectors(GeneVectorOptions(gene_vectors=str(tmp_path / "twice.npz")))
    with pytest.raises(UserError, match="each once"):
        twice.fit(cells, seed=0)


def test_weighted_vectors_of_the_cells_themselves_tell_types_apart(cells, truth) -> None:
    found = WeightedVectors(GeneVectorOptions(width=8)).fit(cells, seed=0).embed(cells)
    assert found.shape == (200, 8)
    centres = {name: found[(truth["label"] == name).to_numpy()].mean(0) for name in set(truth["label"][5:])}
    assert min(np.linalg.norm(a - b) for a in centres.values() for b in centres.values() if a is not b) > 0
    cells.X = sp.csr_matrix(np.where(np.arange(200)[:, None] == 4, 0, cells.X.toarray()))
    with pytest.raises(NotApplicable, match=r"1 cell\(s\) without a count"):
        WeightedVectors(GeneVectorOptions(width=8)).fit(cells, seed=0).embed(cells)


def labels_of(truth):
    text = {name: truth[name].to_numpy(dtype=object) for name in ("label", "ontology_id", "unit")}
    return Labels(**text)


def test_sctop_projects_on_mean_profiles(cells, truth) -> None:
    train, test = np.arange(120), np.arange(120, 200)
    labels = labels_of(truth.iloc[train])
    model = ScTop(ScTopOptions()).fit(cells[train].copy(), labels=labels, seed=0)
    found = predict_checked(model, cells[test].copy(), told=labels.classes)
    counts, known = cells.X.toarray().astype(float)[train], labels.given
    shares = counts / counts.sum(1, keepdims=True)
    profiles = [shares[known & (labels.label == name)].mean(axis=0) for name in labels.classes]
    basis = by_definition(np.array(profiles))
    expected = by_definition(cells.X.toarray()[test]) @ np.linalg.pinv(basis)
    np.testing.assert_allclose(model.embed(cells[test].copy()), expected, atol=1e-5)
    named = np.array(found.classes)[found.probabilities.argmax(axis=1)]
    assert (named == truth["label"].to_numpy()[test]).mean() > 0.8
    np.testing.assert_allclose(found.unseen_score, -expected.max(axis=1), atol=1e-9)


def test_sctop_needs_two_types_with_enough_cells(cells, truth) -> None:
    with pytest.raises(NotApplicable, match=r"0 type\(s\) with 100 labelled cells"):
        ScTop(ScTopOptions(least_cells=100)).fit(cells, labels=labels_of(truth), seed=0)
