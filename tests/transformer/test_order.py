import numpy as np
import pytest
import torch

from models.transformer.order import lexsort, searchsorted
from models.transformer.recipe import load_recipe
from models.transformer.tokenise import tokeniser_of

DEVICES = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_order_is_numpys_ties_included(device):
    rng = np.random.default_rng(0)
    for size in (0, 1, 1000):
        keys = (
            rng.permutation(size),
            rng.integers(0, 5, size) / 7,
            rng.random(size) < 0.5,
            rng.integers(0, 9, size),
        )
        for n in (1, 2, 4):
            np.testing.assert_array_equal(lexsort(keys[-n:], device=device), np.lexsort(keys[-n:]))
            np.testing.assert_array_equal(lexsort(keys[:n], device=device), np.lexsort(keys[:n]))
    line, values = np.sort(rng.integers(0, 50, 200) / 4), rng.integers(-2, 52, 300) / 4
    for side in ("left", "right"):
        found = searchsorted(line, values, side=side, device=device)
        np.testing.assert_array_equal(found, np.searchsorted(line, values, side=side))


@pytest.mark.parametrize(
    "name", ["geneformer", "geneformer_gene_bins", "scgpt", "scmulan_style", "uce_style", "scbert"]
)
def test_tokens_are_those_that_numpy_sorts(name, programmes, corpus_of, monkeypatch):
    """The whole data path, sorted by torch and sorted by numpy, gives the same tokens."""
    design = load_recipe(name).design("tiny")
    corpus = corpus_of(programmes(80)[0], design)
    found = corpus.tokens(np.arange(80), seed=3)
    tokenise = tokeniser_of(design, corpus.tokenise.vocabulary)
    for module in ("tokenise", "values", "sample"):
        monkeypatch.setattr(f"models.transformer.{module}.lexsort", lambda keys, device: np.lexsort(keys))
    monkeypatch.setattr(
        "models.transformer.values.searchsorted",
        lambda line, values, *, side, device: np.searchsorted(line, values, side=side),
    )
    expected = tokenise(corpus.counts, corpus.columns, seed=3)
    for field in ("ids", "values", "targets", "counts", "offsets", "queries", "answers"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)
