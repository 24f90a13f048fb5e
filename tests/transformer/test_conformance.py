"""What every recipe's embedding must hold, whatever its parts; exceptions stand in docs/models.md."""

import dataclasses

import numpy as np
import pytest
import torch
from recipe_cases import CPU

from models.transformer import checkpoint
from models.transformer.engine import pretrain, validate
from models.transformer.errors import VocabularyError
from models.transformer.infer import embed
from models.transformer.recipe import load_recipe, recipe_names
from models.transformer.tokenise import specials_of

DEPTH_FREE = {"quantile_bins", "log1p_norm", "log2_median", "log2_bins", "equal_bins"}
PARAMETERS = {  # genes of the published vocabulary, parameters stated or derived in millions
    "geneformer": (25_424, 10.3),
    "geneformer_v2": (20_271, 104.4),
    "scgpt": (60_694, 51.3),
    "scfoundation": (19_264, 119.0),
    "scbert": (16_906, 8.4),
    "cellfm": (24_078, 800.0),
    "genemamba_mlm": (25_424, 65.7),
    "scmulan_style": (42_117, 368.0),
    "teddy_g_style": (43_804, 70.0),
}


def embedded(case, *, counts=None, columns=None, batch_cells=16):
    _, corpus, network = case
    changes = {k: v for k, v in {"counts": counts, "columns": columns}.items() if v is not None}
    corpus = dataclasses.replace(corpus, **changes)
    return embed(network.encoder, corpus, batch_cells=batch_cells, device=CPU)


def test_an_embedding_is_repeatable_and_varies(case):
    found = embedded(case)
    np.testing.assert_array_equal(embedded(case), found)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert len(np.unique(found.round(5), axis=0)) > 50


def test_neither_batch_nor_order_matters(case):
    whole, counts = embedded(case), case[1].counts
    order = np.random.default_rng(0).permutation(60)
    scale = np.abs(whole).max()
    np.testing.assert_allclose(
        embedded(case, counts=counts.take(order), batch_cells=7), whole[order], atol=1e-4 * scale
    )
    for i in (0, 17):
        alone = embedded(case, counts=counts.take(np.array([i])), batch_cells=1)[0]
        np.testing.assert_allclose(alone, whole[i], atol=1e-4 * scale)


def test_a_cell_has_the_same_tokens_in_any_pool(case):
    """So that several processes may share one: the draws of training, too, follow from the cell alone."""
    corpus = case[1]
    whole = corpus.tokens(np.arange(60), seed=3)
    none, first, rest = (corpus.tokens(np.arange(*ends), seed=3) for ends in ((0, 0), (0, 17), (17, 60)))
    assert len(none) == 0
    for name in ("ids", "values", "targets", "counts", "lengths", "expressed", "queries", "answers"):
        parts = [getattr(tokens, name) for tokens in (none, first, rest)]
        np.testing.assert_array_equal(np.concatenate(parts), getattr(whole, name), err_msg=name)


def test_the_order_of_columns_does_not_matter(case):
    counts, columns = case[1].counts, case[1].columns
    order = np.random.default_rng(1).permutation(40)
    moved = dataclasses.replace(counts, indices=np.argsort(order)[counts.indices])
    np.testing.assert_array_equal(embedded(case, counts=moved, columns=columns[order]), embedded(case))


def test_depth_matters_where_the_recipe_says_so(case):
    design, corpus, _ = case
    twice = dataclasses.replace(corpus.counts, data=corpus.counts.data * 2, totals=corpus.counts.totals * 2)
    ranks = design.tokeniser.kind == "rank" and design.value.kind == "none"
    scaled = design.tokeniser.kind != "sample" and design.value.scale in DEPTH_FREE
    depths = any("depth" in name for name in design.tokeniser.prefix)
    same = np.allclose(embedded(case, counts=twice), embedded(case), atol=1e-5)
    assert same == ((ranks or scaled) and not depths)


def test_cells_without_a_total_are_refused_or_do_not_need_one(case):
    design, corpus, _ = case
    unknown = dataclasses.replace(corpus.counts, totals=np.full(60, np.nan))
    if design.needs_totals:
        with pytest.raises(VocabularyError, match=r"60 cell\(s\) have no total count"):
            embedded(case, counts=unknown)
    else:
        np.testing.assert_array_equal(embedded(case, counts=unknown), embedded(case))


def test_an_empty_cell_is_refused(case):
    counts = case[1].counts
    empty = dataclasses.replace(counts, data=np.where(counts.rows == 3, 0.0, counts.data))
    with pytest.raises(VocabularyError, match=r"1 cell\(s\) express no gene"):
        embedded(case, counts=empty)


def test_it_learns_and_a_checkpoint_keeps_it(case, tmp_path):
    design, corpus, _ = case
    vocabulary = corpus.tokenise.vocabulary
    torch.manual_seed(0)
    network = checkpoint.build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials))
    before = validate(network, corpus, batch_cells=16)
    curve = pretrain(
        network,
        corpus=corpus,
        validation=corpus,
        training=design.size.training,
        seed=0,
        device=CPU,
        budget_cells=800,
    )
    assert curve[0]["validation"] == before
    assert curve[-1]["validation"] < before
    assert set(curve[-1]["parts"]) == {objective.kind for objective in design.objectives}
    checkpoint.save(
        tmp_path, checkpoint.Checkpoint(design=design, vocabulary=vocabulary, network=network, curve=curve)
    )
    loaded = checkpoint.load(tmp_path)
    assert loaded.design == design
    np.testing.assert_array_equal(
        embed(loaded.network.encoder, corpus, batch_cells=16, device=CPU),
        embed(network.encoder, corpus, batch_cells=16, device=CPU),
    )


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_size_has_the_published_number_of_parameters(name):
    genes, millions = PARAMETERS[name]
    design = load_recipe(name).design("published")
    specials = 2 + len(specials_of(design.tokeniser))
    with torch.device("meta"):
        network = checkpoint.build(design, vocabulary=genes + specials, specials=specials)
    found = sum(weight.numel() for weight in network.parameters())
    found += sum(b.numel() for n, b in network.named_buffers() if n.endswith("vectors"))
    assert found / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize("name", recipe_names())
def test_every_size_can_be_built(name):
    recipe = load_recipe(name)
    assert list(recipe.sizes) == ["tiny", "small", "base", "published"]
    for size in recipe.sizes:
        design = recipe.design(size)
        specials = 2 + len(specials_of(design.tokeniser))
        with torch.device("meta"):
            network = checkpoint.build(design, vocabulary=300 + specials, specials=specials)
        assert len(network.encoder.blocks) == recipe.sizes[size].layers
