import copy
import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from models.transformer import finetune
from models.transformer.checkpoint import build
from models.transformer.errors import RecipeError, TrainingError
from models.transformer.finetune import Run, exhausted, measured, tune
from models.transformer.finetune_head import balanced_accuracy, cross_entropy, fit_readout
from models.transformer.finetune_model import Classifier, Labelled, free
from models.transformer.finetune_search import MOST_PASSES, STRENGTHS, common, fine_tune
from models.transformer.infer import embed
from models.transformer.room import Room
from models.transformer.schedule import plan

CPU = torch.device("cpu")
PARTS = ("last", "lora", "full")


@pytest.fixture(scope="module")
def world(small_design, corpus_of, programmes):
    """An untrained encoder, 96 labelled cells of four kinds, their frozen embedding; the last 32 held out."""
    design = small_design(length=24)
    design = dataclasses.replace(design, pooler=dataclasses.replace(design.pooler, layer=-1))
    dense, kind = programmes(96)
    corpus = corpus_of(dense, design)
    torch.manual_seed(0)
    vocabulary = corpus.tokenise.vocabulary
    encoder = build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials)).encoder
    cells = Labelled(corpus=corpus, label=kind)
    return encoder, cells, embed(encoder, corpus, batch_cells=32, device=CPU)


def start(world, part, *, seed=0):
    encoder, cells, Z = world
    readout = fit_readout(Z[:64], cells.label[:64], classes=4, strength=0.1)
    model = Classifier(copy.deepcopy(encoder), readout)
    free(model.encoder, part, blocks=1, rank=4, seed=seed)
    return model


def a_run(world, *, keep=None, fingerprint="", rate=3e-3, steps=30, stop=None):
    training = dataclasses.replace(common(world[0].design, "full").training, batch_cells=16, rate=rate)
    whole = plan(training, cells=64, budget_cells=16 * steps)
    return Run(
        number=0,
        training=training,
        plan=whole,
        stop=stop or whole.steps,
        seed=0,
        keep=keep,
        fingerprint=fingerprint,
    )


def trained(world, part="full", *, report=lambda record: None, **other):
    model, cells = start(world, part), world[1]
    curve = tune(
        model,
        cells.take(np.arange(64)),
        validation=cells.take(np.arange(64, 96)),
        run=a_run(world, **other),
        room=Room(CPU, cells=16),
        device=CPU,
        report=report,
    )
    return model, curve


def weights(model):
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_the_readout_is_logistic_regression(world, strength):
    _, cells, Z = world
    readout = fit_readout(Z, cells.label, classes=4, strength=strength)
    scaled = (Z.astype(float) - Z.mean(0)) / np.sqrt(Z.var(0).mean())
    known = LogisticRegression(C=strength, max_iter=5000, tol=1e-8).fit(scaled, cells.label)
    np.testing.assert_allclose(readout.probabilities(Z), known.predict_proba(scaled), atol=2e-4)
    assert abs(readout.probabilities(Z).sum(1) - 1).max() < 1e-12


def test_a_constant_column_says_nothing():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(40, 3)).astype(np.float32)
    Z[:, 1] = 7.0
    readout = fit_readout(Z, (Z[:, 0] > 0).astype(int), classes=2, strength=1.0)
    moved = Z.copy()
    moved[:, 1] = -100.0
    np.testing.assert_array_equal(readout.probabilities(moved), readout.probabilities(Z))


def test_what_is_measured_of_held_out_cells():
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    label = np.array([0, 0, 0, 1])
    assert balanced_accuracy(p, label) == pytest.approx((1 / 3 + 1) / 2)
    assert cross_entropy(p, label) == pytest.approx(-np.log([0.9, 0.4, 0.2, 0.7]).mean())


@pytest.mark.parametrize("part", PARTS)
def test_the_first_record_is_the_frozen_probe(world, part):
    _, cells, Z = world
    probe = fit_readout(Z[:64], cells.label[:64], classes=4, strength=0.1)
    _, curve = trained(world, part, stop=1)
    frozen = measured(probe.probabilities(Z[64:]), cells.label[64:])
    assert curve[0]["validation_loss"] == pytest.approx(frozen["validation_loss"], abs=1e-6)
    assert curve[0]["validation_balanced_accuracy"] == frozen["validation_balanced_accuracy"]


@pytest.mark.parametrize("part", PARTS)
def test_only_what_is_free_learns(world, part):
    before = weights(world[0])
    model, _ = trained(world, part, steps=6)
    after = weights(model.encoder)
    assert after.keys() == before.keys()
    moved = {name for name in after if (after[name] != before[name]).any()}
    if part == "full":
        assert any(name.startswith("embed.") for name in moved)
    else:
        assert {name.split(".")[0] for name in moved} == {"blocks"}
    if part == "lora":
        assert all(before[name].ndim == 2 for name in moved)
        assert {name.split(".")[1] for name in moved} == {"0", "1"}
    if part == "last":
        assert {name.split(".")[1] for name in moved} == {"1"}


def test_blocks_behind_the_pooler_never_learn(world):
    encoder = copy.deepcopy(world[0])
    encoder.design = dataclasses.replace(
        encoder.design, pooler=dataclasses.replace(encoder.design.pooler, layer=-2)
    )
    free(encoder, "last", blocks=1, rank=4, seed=0)
    learns = {name.split(".")[1] for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert learns == {"0"}
    encoder.design = dataclasses.replace(
        encoder.design, pooler=dataclasses.replace(encoder.design.pooler, layer=-3)
    )
    with pytest.raises(RecipeError, match="no block to fine-tune"):
        free(encoder, "lora", blocks=1, rank=4, seed=0)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_run_goes_on_to_the_same_curve_and_weights(world, part, tmp_path):
    class Killed(Exception):
        pass

    def kill(record):
        if record["step"] >= 12:
            raise Killed

    whole, curve = trained(world, part)
    keep = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        trained(world, part, keep=keep, report=kill)
    steps = []
    again, resumed = trained(world, part, keep=keep, report=lambda record: steps.append(record["step"]))
    assert resumed == curve
    assert min(steps) == 12
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(again)[name], value)


def test_a_run_is_not_resumed_by_another(world, tmp_path, capsys):
    keep, steps = tmp_path / "run.safetensors", []
    trained(world, keep=keep, stop=6, fingerprint="one")
    trained(world, keep=keep, stop=6, fingerprint="two", report=lambda record: steps.append(record["step"]))
    assert steps[0] == 0
    keep.write_bytes(b"no")
    steps.clear()
    trained(world, keep=keep, stop=6, fingerprint="two", report=lambda record: steps.append(record["step"]))
    assert steps[0] == 0
    assert "starting over" in capsys.readouterr().err


def test_out_of_memory_halves_the_batch_and_goes_on(world, monkeypatch, capsys):
    forward, sizes = Classifier.forward, []

    def narrow(self, batch):
        sizes.append(batch.ids.numel())
        if batch.ids.numel() > 50:
            raise torch.OutOfMemoryError
        return forward(self, batch)

    _, curve = trained(world)
    monkeypatch.setattr(Classifier, "forward", narrow)
    _, narrowed = trained(world)
    assert max(sizes[2:]) <= 50 < sizes[1] < sizes[0]
    assert capsys.readouterr().err.count("out of memory") == 2
    assert [record["step"] for record in narrowed] == [record["step"] for record in curve]
    for one, other in zip(narrowed[1:], curve[1:], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)

    def never(self, batch):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Classifier, "forward", never)
    with pytest.raises(torch.OutOfMemoryError):
        trained(world)


def test_a_loss_that_is_not_finite_ends_the_run(world, monkeypatch):
    forward = Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda self, batch: forward(self, batch) * float("nan"))
    with pytest.raises(TrainingError, match="the loss became nan at or before step 3"):
        trained(world)


def test_patience():
    def curve(*values):
        return [{"validation_loss": 1.0, "validation_balanced_accuracy": value} for value in values]

    assert not exhausted(curve(0.9, 0.5, 0.5, 0.5))
    assert exhausted(curve(0.9, 0.5, 0.5, 0.4, 0.3))
    assert not exhausted(curve(0.9, 0.5, 0.5, 0.4, 0.6))
    assert not exhausted([{"loss": 1.0}] * 9)
    falling = curve(0.9, 0.5, 0.5, 0.5, 0.5)
    falling[-1]["validation_loss"] = 0.9
    assert not exhausted(falling)


def tuned(world, part, *, label=None, held_out=None, budget=320, **other):
    encoder, cells, Z = world
    cells = cells if label is None else dataclasses.replace(cells, label=label)
    held_out = np.arange(96) >= 64 if held_out is None else held_out
    how = common(encoder.design, part, budget_cells=budget)
    return fine_tune(encoder, cells, Z, held_out=held_out, tuning=how, seed=0, device=CPU, **other)


def test_the_search_ends_in_one_run_over_all_cells(world):
    found = tuned(world, "full")
    strengths = [record["strength"] for record in found.curve if "strength" in record]
    assert strengths == list(STRENGTHS)
    runs = [record for record in found.curve if "run" in record]
    trials = [record for record in runs if record["run"] < 3]
    last = [record for record in runs if record["run"] == 3]
    assert {record["run"] for record in runs} == {0, 1, 2, 3}
    assert all("validation_loss" in record for record in trials)
    assert all("validation_loss" not in record for record in last)
    best = max(trials, key=finetune.worth)
    assert {record["rate"] for record in last} == {best["rate"]} == {found.chosen["rate"]}
    assert last[-1]["cells"] / 96 == pytest.approx(best["cells"] / 64, abs=1.0)
    assert best["validation_loss"] < runs[0]["validation_loss"]


def test_the_encoder_itself_is_left_as_it_is(world):
    before = weights(world[0])
    tuned(world, "lora", budget=64)
    for name, value in weights(world[0]).items():
        np.testing.assert_array_equal(before[name], value)


def test_the_head_alone_is_the_frozen_probe(world):
    encoder, cells, Z = world
    found = tuned(world, "head")
    assert found.encoder is encoder
    probe = fit_readout(Z, cells.label, classes=4, strength=found.chosen["strength"])
    np.testing.assert_array_equal(found.readout.probabilities(Z), probe.probabilities(Z))


def test_without_held_out_units_nothing_is_searched(world):
    found = tuned(world, "lora", held_out=np.zeros(96, dtype=bool), budget=64)
    assert found.chosen["strength"] == STRENGTHS[0]
    assert found.chosen["rate"] == common(world[0].design, "lora").rates[0]
    assert {record["run"] for record in found.curve} == {3}


def test_a_handful_of_cells_is_shown_20_times_at_most(world):
    encoder, cells, Z = world
    few = np.array([np.flatnonzero(cells.label == kind)[0] for kind in range(4)])
    how = common(encoder.design, "lora", budget_cells=3000)
    nobody = np.zeros(4, dtype=bool)
    found = fine_tune(encoder, cells.take(few), Z[few], held_out=nobody, tuning=how, seed=0, device=CPU)
    assert found.chosen["passes"] == MOST_PASSES
    assert found.curve[-1]["cells"] == 4 * MOST_PASSES
    assert found.curve[-1]["step"] == MOST_PASSES


def test_a_killed_search_goes_on_to_the_same_answer(world, tmp_path, monkeypatch):
    whole = tuned(world, "last", budget=128)

    class Killed(Exception):
        pass

    def kill(record):
        if record["run"] == 2 and record["step"] > 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("models.transformer.finetune_search.say", kill)
        with pytest.raises(Killed):
            tuned(world, "last", budget=128, work=tmp_path)
    told = []
    monkeypatch.setattr("models.transformer.finetune_search.say", told.append)
    again = tuned(world, "last", budget=128, work=tmp_path)
    assert {record["run"] for record in told} == {2, 3}
    assert again.curve == whole.curve
    np.testing.assert_array_equal(
        again.readout.probabilities(world[2]), whole.readout.probabilities(world[2])
    )


def test_permuted_labels_are_not_learnt(world):
    label = np.random.default_rng(1).permutation(world[1].label)
    found = tuned(world, "full", label=label)
    best = max((r for r in found.curve if "run" in r and "validation_loss" in r), key=finetune.worth)
    assert best["validation_balanced_accuracy"] < 0.55
    true = max((r for r in tuned(world, "full").curve if "validation_loss" in r), key=finetune.worth)
    assert true["validation_balanced_accuracy"] > 0.8
