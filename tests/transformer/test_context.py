"""One training, read at several input lengths: ``context`` in an entry of ``models.yaml``."""

import numpy as np
import pytest
import yaml

from contract.errors import UserError
from models.build import restore
from models.catalogue import read_models
from models.options import RecipeOptions
from models.pretrained import Pretrained

ENTRY = {"recipe": "scgpt", "size": "tiny", "corpus": "demo", "options": {"budget_cells": 64}}


@pytest.fixture(scope="module", params=["geneformer", "scgpt", "tgpt"])
def trained(request, cells_of, tmp_path_factory):
    """A training of each kind of tokeniser that cuts, and what it saved."""
    options = RecipeOptions(recipe=request.param, size="tiny", budget_cells=64)
    model, state = Pretrained(options).fit(cells_of(80), seed=0), tmp_path_factory.mktemp("state")
    model.save(state)
    return model, state


def entry_of(context: int | None) -> dict:
    target = "models.pretrained:Pretrained"
    return {"name": "x", "adapter": "recipe", "target": target, "options": {"context": context}}


def test_less_is_read_of_a_cell_and_nothing_else_changes(trained, cells_of) -> None:
    model, state = trained
    cells = cells_of(30, seed=1)
    short = restore(entry_of(9), state)
    whole, cut = (one.read(cells).tokens(np.arange(30)) for one in (model, short))
    assert whole.lengths.max() > 9
    assert cut.lengths.max() == 9
    np.testing.assert_array_equal(cut.lengths, np.minimum(whole.lengths, 9))
    assert short.card.name == f"{model.card.name}, 9 tokens a cell"
    found = short.embed(cells)
    assert not np.allclose(found, model.embed(cells), atol=1e-3)
    order = np.random.default_rng(0).permutation(30)
    tolerance = short.card.equivariance_tolerance
    np.testing.assert_allclose(short.embed(cells[order].copy()), found[order], atol=tolerance)


def test_ranks_are_cut_after_the_highest(cells_of) -> None:
    model = Pretrained(RecipeOptions(recipe="geneformer", size="tiny", init="random", context=5))
    corpus = model.fit(cells_of(40), seed=0).read(cells_of(8, seed=1))
    full = Pretrained(RecipeOptions(recipe="geneformer", size="tiny", init="random")).fit(
        cells_of(40), seed=0
    )
    short, whole = corpus.tokens(np.arange(8)), full.read(cells_of(8, seed=1)).tokens(np.arange(8))
    for cell in range(8):
        ids = short.ids[short.offsets[cell] : short.offsets[cell + 1]]
        np.testing.assert_array_equal(ids, whole.ids[whole.offsets[cell] :][: len(ids)])
        assert len(ids) == 5


def test_the_full_length_is_what_no_context_means(trained, cells_of) -> None:
    model, state = trained
    cells = cells_of(20, seed=1)
    np.testing.assert_array_equal(restore(entry_of(None), state).embed(cells), model.embed(cells))
    full = Pretrained.load(state, context=model.seen["length"])
    np.testing.assert_array_equal(full.embed(cells), model.embed(cells))


def test_what_training_showed_is_told(trained) -> None:
    model, state = trained
    seen = Pretrained.load(state).seen
    assert seen == model.seen
    assert 32 <= seen["cells"] <= 64  # whole steps
    assert seen["cells"] < seen["tokens"] <= seen["cells"] * seen["length"]
    assert seen["parameters"] > 1000


def read(folder, **models):
    path = folder / "models.yaml"
    entries = {f"{name}@demo": entry for name, entry in models.items()}
    path.write_text(yaml.safe_dump({"corpora": {"demo": {"datasets": {"toy": "train"}}}, "models": entries}))
    return read_models(path).contestants


def test_one_training_serves_all_lengths(tmp_path) -> None:
    short = ENTRY | {"options": {"budget_cells": 64, "context": 32}}
    other = ENTRY | {"options": {"budget_cells": 65}}
    found = read(tmp_path, short=short, other=other, whole=ENTRY, tuned=short | {"finetune": "head"})
    assert {name: one.trained_as for name, one in found.items()} == {
        "short@demo": "whole@demo",
        "other@demo": "other@demo",
        "whole@demo": "whole@demo",
        "tuned@demo": "whole@demo",
    }


@pytest.mark.parametrize(
    ("recipe", "context", "message"),
    [
        ("scgpt", 32, "no entry that is the same without 'context'"),
        ("scgpt", 1, "options.context: found 1; expected 2 to 128, the length that it is trained with"),
        ("scgpt", 129, "expected 2 to 128"),
        ("scbert", 32, "found one for 'scbert', which reads every gene of its panel"),
        ("uce_style", 40, "expected 50 to"),
        ("scgpt", 0.5, "expected a whole number or null"),
    ],
)
def test_a_context_that_cannot_be_read_is_one_line(tmp_path, recipe, context, message) -> None:
    entry = ENTRY | {"recipe": recipe, "options": {"budget_cells": 65, "context": context}}
    with pytest.raises(UserError, match=message):
        read(tmp_path, short=entry, whole=ENTRY)
