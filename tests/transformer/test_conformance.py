"""What every recipe must hold, whatever its parts; the exceptions are named here and in docs/models.md."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.transformer import checkpoint
from models.transformer.batch import Batch, batch_of
from models.transformer.engine import pretrain, validate
from models.transformer.errors import VocabularyError
from models.transformer.infer import embed
from models.transformer.masking import Masked
from models.transformer.recipe import load_recipe, recipe_names
from models.transformer.tokenise import specials_of

CPU = torch.device("cpu")
DEPTH_FREE = {"quantile_bins", "log1p_norm", "log2_median", "log2_bins", "equal_bins"}
# Scored at other places than the hidden ones, by design.
ELSEWHERE = {"next_gene", "next_value", "expressed", "profile", "teacher", "contrast"}
PARAMETERS = {  # genes of the published vocabulary, parameters stated or derived in millions
    "geneformer": (25_424, 10.3),
    "geneformer_v2": (20_271, 104.4),
    "scgpt": (60_694, 51.3),
    "scfoundation": (19_264, 119.0),
    "scbert": (16_906, 8.4),
    "cellfm": (24_078, 800.0),
    "genemamba_mlm": (25_424, 65.7),
}


def names(chosen):
    """Recipes of which ``chosen`` is true."""
    found = [name for name in recipe_names() if chosen(load_recipe(name))]
    assert found
    return found


def shrunk(name):
    """The recipe's tiny size, made so small that a test takes a moment."""
    design = load_recipe(name).design("tiny")
    size = design.size
    patch = 1 if size.patch == 1 else 16 if design.identity.kind == "patch" else 8
    decoder = size.decoder and dataclasses.replace(size.decoder, width=8, heads=2, hidden=16)
    training = dataclasses.replace(size.training, epochs=4.0, batch_cells=16, dropout=0.0)
    size = dataclasses.replace(
        size,
        width=16,
        heads=2,
        hidden=32 if size.hidden else 0,
        length=32,
        vectors=16,
        features=8,
        state=4,
        patch=patch,
        genes=None,
        decoder=decoder,
        training=training,
    )
    tokeniser = design.tokeniser
    if tokeniser.kind == "sample":
        tokeniser = dataclasses.replace(tokeniser, groups=4, queries=8)
    return dataclasses.replace(design, size=size, tokeniser=tokeniser)


@pytest.fixture(scope="module", params=recipe_names())
def case(request, programmes, corpus_of):
    """A design, a corpus of 60 cells, and an untrained network."""
    design = shrunk(request.param)
    corpus = corpus_of(programmes(60)[0] + np.eye(60, 40, dtype=int), design)
    return design, corpus, untrained(design, corpus)


def untrained(design, corpus, *, seed=0):
    vocabulary = corpus.tokenise.vocabulary
    torch.manual_seed(seed)
    network = checkpoint.build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials))
    with torch.no_grad():  # large weights, so that a difference shows
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.mul_(5.0)
    return network.eval()


def embedded(case, *, counts=None, columns=None, batch_cells=16):
    _, corpus, network = case
    changes = {k: v for k, v in {"counts": counts, "columns": columns}.items() if v is not None}
    corpus = dataclasses.replace(corpus, **changes)
    return embed(network.encoder, corpus, batch_cells=batch_cells, device=CPU)


def first_batch(corpus, *, seed=0):
    return batch_of(corpus.tokens(np.arange(12), seed=seed), np.arange(12))


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


def losses(network, batch, masked):
    with torch.no_grad():
        return {kind: float(loss) for kind, (loss, _) in network(batch, masked).items()}


def sizes_of(network):
    bins = network.design.value.bins
    return {"specials": network.specials, "vocabulary": network.vocabulary, "bins": bins}


def with_other_targets(batch, where, *, specials, vocabulary, bins):
    """Other genes and values asked for where ``where`` is true."""
    where = where & (batch.ids >= specials)
    ids = torch.where(where, specials + (batch.ids - specials + 7) % (vocabulary - specials), batch.ids)
    targets = (batch.targets + 1) % bins if bins else batch.targets + 1
    return dataclasses.replace(batch, ids=ids, targets=torch.where(where, targets, batch.targets))


def test_only_what_is_hidden_is_scored(case):
    design, corpus, network = case
    asked = {o.kind for o in design.objectives if not o.everywhere} - ELSEWHERE
    batch = first_batch(corpus)
    masked = network.mask(batch, seed=3)
    size = sizes_of(network)
    before = losses(network, batch, masked)
    open_places = losses(network, with_other_targets(batch, ~masked.chosen, **size), masked)
    hidden_places = losses(network, with_other_targets(batch, masked.chosen, **size), masked)
    for kind in asked:
        assert open_places[kind] == before[kind], kind
        assert hidden_places[kind] != before[kind], kind


@pytest.mark.parametrize("case", names(lambda r: r.masking is not None), indirect=True)
def test_what_is_hidden_leaves_no_trace(case):
    _, corpus, network = case
    batch = first_batch(corpus)
    shown = network.mask(batch, seed=3).shown
    if shown.hidden is None:
        assert not (shown.ids == batch.ids)[network.mask(batch, seed=3).chosen].all()
        return
    values = torch.where(shown.hidden, (batch.values + 2) % 5, shown.values)
    other = dataclasses.replace(shown, values=values)
    with torch.no_grad():
        assert torch.equal(network.encoder(other).hidden, network.encoder(shown).hidden)


CAUSAL = names(lambda r: r.backbone.mask == "causal" and r.identity.kind != "patch")


@pytest.mark.parametrize("case", CAUSAL, indirect=True)
def test_nobody_looks_ahead(case):
    _, corpus, network = case
    batch = batch_of(corpus.tokens(np.arange(1)), np.arange(1))
    later = torch.arange(batch.ids.shape[1]) >= 4
    other = with_other_targets(batch, later, **sizes_of(network))
    other = dataclasses.replace(other, values=other.targets)
    with torch.no_grad():
        one, two = network.encoder(batch).hidden[0], network.encoder(other).hidden[0]
    torch.testing.assert_close(one[:4], two[:4])
    assert not torch.allclose(one[4:], two[4:])


def widened(batch, by):
    numbers = {
        k: F.pad(getattr(batch, k), (0, by), value=float("nan")) for k in ("values", "targets", "counts")
    }
    hidden = None if batch.hidden is None else F.pad(batch.hidden, (0, by))
    return dataclasses.replace(batch, ids=F.pad(batch.ids, (0, by)), hidden=hidden, **numbers)


@pytest.mark.parametrize("case", names(lambda r: r.tokeniser.kind != "panel"), indirect=True)
def test_padding_changes_no_loss(case):
    design, corpus, network = case
    batch = first_batch(corpus)
    by = 32 - batch.ids.shape[1] if design.backbone.positions == "learned" else 9
    masked = network.mask(batch, seed=3)
    wide = Masked(widened(masked.shown, by), F.pad(masked.chosen, (0, by)))
    found, expected = losses(network, widened(batch, by), wide), losses(network, batch, masked)
    assert found == pytest.approx(expected, rel=1e-3)


def test_it_runs_in_bfloat16_as_on_a_gpu(case):
    _, corpus, network = case
    batch = first_batch(corpus)
    masked = network.mask(batch, seed=3)
    exact = losses(network, batch, masked)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = losses(network, batch, masked)
        cells = network.encoder.cell(network.encoder(batch)).float()
    assert torch.isfinite(cells).all()
    assert near == pytest.approx(exact, rel=0.2, abs=0.5)


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


def test_unknown_genes_see_known_ones_and_themselves_alone(programmes, corpus_of):
    design = shrunk("scgpt")
    corpus = corpus_of(programmes(60)[0] + 1, design)
    network = untrained(design, corpus)
    batch = first_batch(corpus)
    shown = network.mask(batch, seed=1).shown
    unknown = int(shown.hidden[0].nonzero()[0])
    ids = shown.ids.clone()
    ids[0, unknown] = network.specials + (ids[0, unknown] - network.specials + 5) % 40
    with torch.no_grad():
        one = network.encoder(shown).hidden[0]
        two = network.encoder(dataclasses.replace(shown, ids=ids)).hidden[0]
    others = torch.arange(len(one)) != unknown
    assert torch.equal(one[others], two[others])
    assert not torch.allclose(one[unknown], two[unknown])


def test_a_teacher_follows_and_is_not_trained(programmes, corpus_of):
    design = shrunk("cell_jepa")
    corpus = corpus_of(programmes(60)[0] + 1, design)
    network = untrained(design, corpus)
    start = {name: weight.clone() for name, weight in network.teacher.named_parameters()}
    with torch.no_grad():
        for weight in network.encoder.parameters():
            weight.add_(1.0)
    network.after_step()
    for name, weight in network.teacher.named_parameters():
        torch.testing.assert_close(weight, start[name] + 0.004)
        assert not weight.requires_grad


def test_a_batch_moves_whole():
    ids = torch.ones(2, 3, dtype=torch.int64)
    number = torch.zeros(2, 3)
    batch = Batch(
        ids=ids, values=number, targets=number, counts=number, queries=ids, answers=ids, hidden=ids > 0
    )
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, field.name).device.type for field in dataclasses.fields(moved)} == {"meta"}


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", ["cell_jepa", "uce_style", "scfoundation", "scprint_style"])
def test_a_killed_run_goes_on_to_the_same_weights(name, programmes, corpus_of, tmp_path):
    """Teachers, draws of genes and thinning, too, follow from the seed and the step."""
    design = shrunk(name)
    corpus = corpus_of(programmes(60)[0] + np.eye(60, 40, dtype=int), design)

    def train(**options):
        network = untrained(design, corpus)
        training = dataclasses.replace(design.size.training, dropout=0.1)
        options = {"validation": None, "training": training, "seed": 0, "device": CPU} | options
        curve = pretrain(network, corpus=corpus, **options)
        return network.state_dict(), curve

    def kill(record):
        if record["step"] >= 6:
            raise Killed

    kept = {"resume": tmp_path / "resume.safetensors", "fingerprint": "this"}
    with pytest.raises(Killed):
        train(report=kill, **kept)
    assert kept["resume"].is_file()
    (weights, curve), (whole, whole_curve) = train(**kept), train()
    assert curve == whole_curve
    assert all(torch.equal(weights[key], whole[key]) for key in whole)
