"""Objectives of types, texts and batches against their definitions; no label goes where none belongs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from recipe_cases import first_batch, made, names, shrunk
from torch.nn import functional as F

from contract.errors import NotApplicable, UserError
from models.cell_types import below, nearness
from models.options import RecipeOptions
from models.pretrained import Pretrained
from models.texts import encode
from models.transformer.choices import OF_TYPES
from models.transformer.objectives import Network
from models.transformer.told import (
    BatchHead,
    ClipHead,
    MatchHead,
    PrototypeHead,
    TextHead,
    TypeHead,
    Types,
    give_types,
    ranked,
    similarity,
)

KINDS = torch.tensor([0, 1, 1, 2, 3, -1, 0, 3])


@pytest.fixture
def states():
    torch.manual_seed(0)
    return torch.randn(8, 16), torch.randn(8, 16)


def types_of(*, tree=None, levels=None):
    types = Types(shrunk("sccello"))
    give_types(
        types,
        below=torch.eye(4, dtype=torch.bool) if tree is None else tree,
        levels=torch.eye(4, dtype=torch.int64) if levels is None else levels,
        texts=None,
    )
    return types


def test_a_coarse_type_is_the_sum_of_those_below_it(states) -> None:
    cells, _ = states
    tree = torch.eye(4, dtype=torch.bool)
    tree[1, 2] = tree[1, 3] = True
    head = TypeHead(shrunk("sccello"), cell_width=16, tree=True)
    loss, n = head(cells, KINDS, below=tree)
    chance = head.prototypes(cells).softmax(1)
    inside = [
        chance[i, [1, 2, 3] if kind == 1 else [kind]].sum() for i, kind in enumerate(KINDS) if kind >= 0
    ]
    assert n == 7
    torch.testing.assert_close(loss, -torch.stack(inside).log().sum())
    flat = TypeHead(shrunk("sccello"), cell_width=16, tree=False)
    flat.load_state_dict(head.state_dict())
    known = KINDS >= 0
    expected = F.cross_entropy(head.prototypes(cells[known]), KINDS[known], reduction="sum")
    torch.testing.assert_close(flat(cells, KINDS, below=tree)[0], expected)


def test_nearer_types_rank_before_farther_ones(states) -> None:
    """Written out pair by pair."""
    cells, other = states
    levels = torch.tensor([[9, 5, 5, 1], [5, 9, 3, 0], [5, 3, 9, 0], [1, 0, 0, 9]])
    tree = torch.eye(4, dtype=torch.bool)
    tree[3, 0] = True  # type 3 lies above type 0
    loss, n = ranked(cells, other, KINDS, about=types_of(tree=tree, levels=levels), temperature=0.5)
    near = F.cosine_similarity(cells[:, None], other[None], dim=-1) / 0.5
    known = [i for i in range(8) if KINDS[i] >= 0]
    total, pairs = 0.0, 0
    for i in known:
        for j in known:
            level = 10 if i == j else levels[KINDS[i], KINDS[j]]
            farther = [
                k
                for k in known
                if (10 if k == i else levels[KINDS[i], KINDS[k]]) < level
                and not (KINDS[i] == 0 and KINDS[k] == 3)
            ]
            if farther:
                pairs += 1
                total += -torch.log_softmax(near[i, [j, *farther]], 0)[0]
    assert n == pairs
    torch.testing.assert_close(loss, total)


def test_elastic_similarity_and_prototypes(states) -> None:
    cells, _ = states
    loss, n = similarity(cells, beta=0.6)
    cos = [
        F.cosine_similarity(a, b, dim=0) for i, a in enumerate(cells) for j, b in enumerate(cells) if i != j
    ]
    torch.testing.assert_close(loss / n, torch.stack([1 - (c.clamp(min=0) - 0.6) ** 2 for c in cos]).mean())
    head = PrototypeHead(shrunk("sccello"), cell_width=16)
    prototypes = torch.randn(4, 16)
    loss, n = head(cells, KINDS, prototypes=prototypes)
    error = [((head.map(prototypes[k]) - c) ** 2).mean() for c, k in zip(cells, KINDS, strict=True) if k >= 0]
    torch.testing.assert_close(loss, torch.stack(error).sum())


def test_the_encoder_unlearns_batches_while_the_classifier_learns_them(states) -> None:
    cells = states[0].requires_grad_()
    head = BatchHead(shrunk("sccello"), cell_width=16)
    batches = torch.tensor([0, 1, 2, 0, 1, 2, -1, 0])
    loss, n = head(cells, batches)
    loss.backward()
    plain = states[0].detach().requires_grad_()
    expected = F.cross_entropy(head.layers(plain[batches >= 0]), batches[batches >= 0], reduction="sum")
    torch.testing.assert_close(loss, expected)
    learnt = [weight.grad.clone() for weight in head.parameters()]
    head.zero_grad()
    expected.backward()
    torch.testing.assert_close(cells.grad, -plain.grad)
    for one, two in zip(learnt, (weight.grad for weight in head.parameters()), strict=True):
        torch.testing.assert_close(one, two)
    assert n == 7


def test_texts_and_cells_choose_each_other(states) -> None:
    """Written out cell by cell; a cell of the same text is not among the wrong ones."""
    cells, texts = states[0], torch.randn(4, 8)
    design = shrunk("cellwhisperer_style")
    head = ClipHead(
        dataclasses.replace(design, size=dataclasses.replace(design.size, shared=16)), temperature=0.5
    )
    loss, n = head(cells, KINDS, texts=texts)
    near = F.cosine_similarity(cells[:, None], head.text(texts)[None], dim=-1) / 0.5
    total = 0.0
    for i in [i for i in range(8) if KINDS[i] >= 0]:
        kind = KINDS[i]
        others = [j for j in range(8) if KINDS[j] not in (-1, kind)]
        total -= near[i].log_softmax(0)[kind] / 2
        total -= near[[i, *others], kind].log_softmax(0)[0] / 2
    assert n == 7
    torch.testing.assert_close(loss, total)
    with torch.no_grad():
        head.log_scale.fill_(100.0)
    sharp, _ = head(cells, KINDS, texts=texts)
    with torch.no_grad():
        head.log_scale.fill_(np.log(100.0))
    torch.testing.assert_close(head(cells, KINDS, texts=texts)[0], sharp)


def test_a_text_asks_the_tokens_of_a_cell(states) -> None:
    """Written out cell by cell and head by head, padding cut off instead of masked."""
    cells, texts, tokens = states[0], torch.randn(4, 8), torch.randn(8, 6, 16)
    length = torch.tensor([6, 5, 4, 6, 3, 6, 1, 2])
    design = shrunk("langcell_style")
    head = MatchHead(design, width=16)
    near = TextHead(design, cell_width=16, temperature=0.05)
    real = torch.arange(6) < length[:, None]
    loss, n = head(cells, KINDS, states=tokens, real=real, texts=texts, head=near)
    chance = near.near(cells, texts)

    def logit(i, kind):
        text, read = head.query(texts[kind]), head.tokens(tokens[i, : length[i]])
        found = []
        for part in (slice(0, 8), slice(8, 16)):
            weight = (read[:, :16][:, part] @ text[part] / 8**0.5).softmax(0)
            found.append(weight @ read[:, 16:][:, part])
        return head.answer(head.norm(text + head.out(torch.cat(found))))[0]

    total = 0.0
    for i in [i for i in range(8) if KINDS[i] >= 0]:
        wrong = max((k for k in range(4) if k != KINDS[i]), key=lambda k, i=i: chance[i, k])
        total -= F.logsigmoid(logit(i, KINDS[i])) + F.logsigmoid(-logit(i, wrong))
    assert n == 14
    torch.testing.assert_close(loss, total)


def test_blocks_below_a_shared_space_learn_from_tokens_alone(programmes, corpus_of) -> None:
    _, corpus, network = made("cellwhisperer_style", programmes, corpus_of)
    batch = first_batch(corpus)
    found = network(batch, network.mask(batch, seed=0))
    of_text = {name for name, weight in gradients(network, found["clip"][0]) if weight.any()}
    assert {name.split(".")[1] for name in of_text} == {"project", "clip"}
    assert "heads.clip.log_scale" in of_text
    of_genes = {name for name, weight in gradients(network, found["gene"][0]) if weight.any()}
    assert {"blocks", "embed"} <= {name.split(".")[1] for name in of_genes}
    assert not of_genes & of_text


def gradients(network, loss):
    """Names and gradients of the weights that a loss reaches."""
    named = list(network.named_parameters())
    found = torch.autograd.grad(loss, [weight for _, weight in named], allow_unused=True, retain_graph=True)
    return [(name, one) for (name, _), one in zip(named, found, strict=True) if one is not None]


@pytest.mark.parametrize("name", names(lambda recipe: recipe.design("tiny").told[0]))
def test_a_batch_without_a_type_teaches_nothing(name) -> None:
    network = Network(shrunk(name), vocabulary=43, specials=3)
    cells = torch.randn(3, network.design.cell_width, requires_grad=True)
    seen = type("Seen", (), {"cells": cells})
    real = torch.ones(3, 5, dtype=torch.bool)
    seen.batch = type("Batch", (), {"marks": torch.full((3, 2), -1), "real": real})
    seen.states = torch.randn(3, 5, 16)
    asked = {*OF_TYPES} - {"ontology"}
    for objective in (o for o in network.design.objectives if o.kind in asked):
        loss, n = network._of_type(objective, seen)
        assert (loss.item(), n.item()) == (0.0, 0)
        loss.backward()
    assert torch.isfinite(seen.cells.grad).all()
    assert not seen.cells.grad.any()


def test_terms_of_the_ontology() -> None:
    """A T cell is above an alpha-beta T cell; both are nearer to each other than to a monocyte."""
    terms = ["CL:0000084", "CL:0000789", "CL:0000576", None]
    np.testing.assert_array_equal(below(terms), np.eye(4, dtype=bool) | (np.arange(16).reshape(4, 4) == 1))
    levels = nearness(terms)
    assert (np.diag(levels) == levels.max()).all()
    assert (levels < levels.max()).sum() == 12
    assert levels[0, 1] > levels[0, 2]
    assert not levels[3, :3].any()


def letters(texts):
    return np.array([[len(text), text.count("e"), 1.0] for text in texts])


def test_texts_by_a_function_or_by_letters() -> None:
    texts = ["T cell", "CD4-positive T cell", "monocyte"]
    found = encode(texts, encoder=None, width=256)
    assert found.shape == (3, 256)
    near = found @ found.T
    np.testing.assert_allclose(np.diag(near), 1, atol=1e-6)
    assert near[0, 1] > near[0, 2] + 0.2
    given = encode(texts, encoder=f"{__name__}:letters", width=256)
    np.testing.assert_allclose(
        given, letters(texts) / np.linalg.norm(letters(texts), axis=1)[:, None], rtol=1e-6
    )
    with pytest.raises(UserError, match="no 'nothing' in"):
        encode(texts, encoder=f"{__name__}:nothing", width=4)
    with pytest.raises(UserError, match=r"expected \(3, E\) finite numbers"):
        encode(texts, encoder="builtins:len", width=4)


@pytest.fixture(scope="module")
def told(cells_of, programmes):
    """240 cells, and the types of those of the first five donors."""
    cells = cells_of()
    _, kind = programmes(240)
    terms = np.array(["CL:0000084", "CL:0000789", "CL:0000576", None], dtype=object)
    labels = pd.DataFrame({"label": np.array(list("abcd"), dtype=object)[kind], "ontology_id": terms[kind]})
    labels.index = cells.obs_names
    labels.loc[cells.obs["donor"].isin(["d5", "d6", "d7"]).to_numpy()] = None
    return cells, labels


def options(recipe, **other):
    return RecipeOptions(recipe=recipe, size="tiny", **({"budget_cells": 320} | other))


def test_types_are_learnt_from_the_labels_that_are_told(told, tmp_path) -> None:
    cells, labels = told
    model = Pretrained(options("sccello", budget_cells=960), labels=labels).fit(cells, seed=0)
    assert model._corpus["types"] == 4
    assert model._corpus["cells_of_a_type"] == 150
    assert {"pretraining_labels", "pretraining"} <= set(model.card.saw)
    parts = [record["parts"]["cell_type"] for record in model._checkpoint.curve[1:]]
    assert parts[-1] < 0.95 * parts[0]
    model.save(tmp_path)
    found = Pretrained.load(tmp_path).embed(cells)
    np.testing.assert_array_equal(found, model.embed(cells))
    other = labels.copy()
    other["label"] = np.roll(labels["label"].to_numpy(), 1)
    other["ontology_id"] = np.roll(labels["ontology_id"].to_numpy(), 1)
    again = Pretrained(options("sccello", budget_cells=960), labels=other).fit(cells, seed=0)
    assert not np.allclose(again.embed(cells), found)
    strange = labels.set_axis([f"x{name}" for name in labels.index])
    with pytest.raises(UserError, match="other cells than in the corpus"):
        Pretrained(options("sccello"), labels=strange).fit(cells, seed=0)
    with pytest.raises(NotApplicable, match=r"tells 1 type\(s\)"):
        Pretrained(options("sccello"), labels=labels.where(labels["label"] == "a")).fit(cells, seed=0)


def test_an_untrained_twin_and_others_see_no_label(told) -> None:
    cells, labels = told
    twin = Pretrained(options("langcell_style", init="random")).fit(cells, seed=0)
    assert twin.card.saw == ("counts",)
    plain = Pretrained(options("geneformer")).fit(cells, seed=0)
    with_labels = Pretrained(options("geneformer"), labels=labels).fit(cells, seed=0)
    np.testing.assert_array_equal(with_labels.embed(cells), plain.embed(cells))
    assert "pretraining_labels" not in plain.card.saw


@pytest.mark.parametrize("recipe", ["langcell_style", "cellwhisperer_style"])
def test_a_text_encoder_is_the_users(told, recipe) -> None:
    cells, labels = told
    name = f"{__name__}:letters"
    model = Pretrained(options(recipe, text_encoder=name), labels=labels).fit(cells, seed=0)
    assert model._checkpoint.design.size.texts == 3
    assert model._checkpoint.network.types.texts.shape == (4, 3)
    assert model.embed(cells).shape == (240, model._checkpoint.design.cell_width)
    assert "pretraining_labels" in model.card.saw


def test_a_text_encoder_reads_symbols_too(told) -> None:
    cells, _ = told
    name = f"{__name__}:letters"
    words = Pretrained(options("c2s_style", text_encoder=name)).fit(cells, seed=0)
    vectors = words._checkpoint.network.encoder.embed.genes.vectors[-40:].numpy()
    wanted = letters(cells.var_names)
    np.testing.assert_allclose(vectors, wanted / np.linalg.norm(wanted, axis=1)[:, None], rtol=1e-5)
    assert f"texts of symbols by {name}" in words.card.note
    with pytest.raises(UserError, match="a recipe that reads no texts"):
        Pretrained(options("geneformer", text_encoder=name)).fit(cells, seed=0)
