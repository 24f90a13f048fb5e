import contextlib
import dataclasses
import io
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from models.transformer import engine, infer, step
from models.transformer.ahead import ahead
from models.transformer.checkpoint import Checkpoint, build, read_tensors, save
from models.transformer.engine import pretrain
from models.transformer.errors import TrainingError
from models.transformer.flops import counted, peak_flops
from models.transformer.infer import embed
from models.transformer.progress import Count, Progress
from models.transformer.recipe import load_recipe
from models.transformer.room import CPU_TOKENS, Room, fitting

CPU = torch.device("cpu")
ROOT = Path(engine.__file__).parents[2]
RUN = dict(validation=None, seed=0, device=CPU)


@pytest.fixture(scope="module")
def corpus(programmes, corpus_of, small_design):
    return corpus_of(programmes(33)[0], small_design())  # of 16 a batch, one cell is left over


def network_of(design, corpus):
    torch.manual_seed(0)
    specials = len(corpus.tokenise.vocabulary.specials)
    return build(design, vocabulary=len(corpus.tokenise.vocabulary), specials=specials)


def trained(design, corpus, **options):
    network = network_of(design, corpus)
    curve = pretrain(network, corpus=corpus, training=design.size.training, **(RUN | options))
    return network, curve


def assert_alike(one, other, *, atol=2e-5):
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, atol=atol, rtol=1e-4, msg=name)


def two_objectives(small_design):
    """Hidden genes and the cell of a teacher: means over different numbers of terms."""
    design = small_design(epochs=1.0, clip=100.0)
    teacher = dataclasses.replace(load_recipe("cell_jepa").objectives[0], kind="teacher", weight=0.5)
    pooler = dataclasses.replace(design.pooler, layer=-1)
    return dataclasses.replace(design, objectives=(*design.objectives, teacher), pooler=pooler)


@pytest.mark.parametrize("most", [1, 5])
def test_a_batch_in_parts_gives_the_same_weights(corpus, small_design, most):
    design = two_objectives(small_design)
    whole, curve = trained(design, corpus)
    parts, curve_of_parts = trained(design, corpus, most_cells=most)
    assert_alike(whole, parts)
    assert curve_of_parts[-1]["loss"] == pytest.approx(curve[-1]["loss"], rel=1e-5)


def test_a_step_that_runs_out_of_memory_is_done_again_in_parts(corpus, small_design, monkeypatch, capsys):
    design = small_design(epochs=1.0, dropout=0.0)
    whole, _ = trained(design, corpus)
    forward = step.Stepper._forward

    def short(self, batch, masked, part):
        if len(part) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, batch, masked, part)

    monkeypatch.setattr(step.Stepper, "_forward", short)
    parts, _ = trained(design, corpus)
    assert_alike(whole, parts)
    assert capsys.readouterr().err.count("out of memory") == 2
    monkeypatch.setattr(step.Stepper, "_forward", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(TrainingError, match="one cell alone do"):
        trained(design, corpus)


def test_a_loss_over_pairs_of_cells_is_not_split(corpus, small_design):
    design = two_objectives(small_design)
    contrast = dataclasses.replace(design.objectives[1], kind="contrast")
    design = dataclasses.replace(design, objectives=(design.objectives[0], contrast))
    with pytest.raises(TrainingError, match="objective contrast compares the cells of a batch"):
        trained(design, corpus, most_cells=4)


def test_a_gradient_that_is_not_finite_stops_the_training(corpus, small_design, monkeypatch):
    norm = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: norm(*a) * float("nan"))
    with pytest.raises(TrainingError, match="a gradient became NaN"):
        trained(small_design(), corpus)


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


RANK = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from models.transformer.checkpoint import load, write_tensors
from models.transformer.counts import Counts
from models.transformer.data import Corpus
from models.transformer.engine import pretrain
from models.transformer.tokenise import tokeniser_of
import numpy as np

class Watched(Counts):
    def take(self, rows):
        read.extend(rows.tolist())
        return super().take(rows)

folder, told, read = sys.argv[2], [], []
start, stored = load(folder), np.load(folder + "/cells.npz")
counts = Watched(*(stored[name] for name in ("data", "indices", "indptr", "totals")))
tokenise = tokeniser_of(start.design, start.vocabulary)
pretrain(
    start.network,
    corpus=Corpus(counts=counts, columns=stored["columns"], tokenise=tokenise),
    validation=None,
    training=start.design.size.training,
    seed=0,
    device=torch.device("cpu"),
    report=told.append,
)
path = Path(folder) / f"rank-{os.environ['RANK']}.safetensors"
loaded = "torch._dynamo" in sys.modules
write_tensors(path, start.network.state_dict(), metadata={"told": told, "compiler": loaded, "read": read})
"""


def test_two_processes_learn_what_one_does(corpus, small_design, tmp_path):
    design = two_objectives(small_design)
    start = network_of(design, corpus)
    about = {"design": design, "vocabulary": corpus.tokenise.vocabulary, "curve": []}
    save(tmp_path, Checkpoint(network=start, **about))
    counts = {name: getattr(corpus.counts, name) for name in ("data", "indices", "indptr", "totals")}
    np.savez(tmp_path / "cells.npz", columns=corpus.columns, **counts)
    (tmp_path / "rank.py").write_text(RANK)
    command = [sys.executable, str(tmp_path / "rank.py"), str(ROOT), str(tmp_path)]
    given = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}  # by torchrun
    ranks = [
        subprocess.Popen(command, env=os.environ | given | {"RANK": rank, "OMP_NUM_THREADS": "1"})
        for rank, given in (("0", given), ("1", given), ("alone", {}))
    ]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0, 0]
    (first, about_first), (second, about_second) = (
        read_tensors(tmp_path / f"rank-{rank}.safetensors") for rank in (0, 1)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone, about_alone = read_tensors(tmp_path / "rank-alone.safetensors")
    for name, tensor in alone.items():
        torch.testing.assert_close(first[name], tensor, atol=2e-5, rtol=1e-4, msg=name)
    assert about_second["told"] == []
    assert sorted(about_first["read"] + about_second["read"]) == sorted(about_alone["read"])
    assert abs(len(about_first["read"]) - len(about_second["read"])) <= 1
    assert not about_alone["compiler"], "a training loads torch's compiler: seconds in every process"
    losses = [[r["loss"] for r in about["told"]][1:] for about in (about_first, about_alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_arithmetic_of_a_step_is_what_the_shapes_say(corpus, small_design):
    design = small_design(epochs=1.0, batch_cells=33)
    told = []
    trained(design, corpus, report=told.append, count_after=0.0)
    size, tokens = design.size, corpus.tokens(np.arange(33))
    batch = 33 * int(tokens.lengths.max())
    weights = size.layers * (4 * size.width**2 + 2 * size.width * size.hidden)
    pairs = size.layers * 4 * size.width * int(tokens.lengths.max())
    hidden = 0.15 * batch * (size.width**2 + size.width * len(corpus.tokenise.vocabulary))
    expected = 3 * (2 * batch * weights + batch * pairs + 2 * hidden)
    assert told[-1]["flops_per_token"] * tokens.lengths.sum() == pytest.approx(expected, rel=0.1)


def test_a_measured_peak_is_above_what_a_product_reaches():
    a = torch.ones(256, 256)
    _, flops = counted(lambda: a @ a)
    assert flops == 2 * 256**3
    assert 1e8 < peak_flops(CPU) < 1e14
    assert peak_flops(CPU) == peak_flops(CPU)


def test_progress_tells_losses_speed_share_and_time_to_go(corpus, small_design, capsys):
    trained(small_design(), corpus, report=Progress(), count_after=0.0)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "pretrain: step 0/6"
    for word in ("step 6/6", "loss 3.", "cells/s", "tokens/s", "MFU", "0 s to go"):
        assert word in last


def test_a_count_is_told_now_and_then():
    class Screen(io.StringIO):
        def isatty(self):
            return self.moves

    now = iter([0.0, 10.0, 31.0, 40.0])
    log = Screen()
    log.moves = False
    count = Count("embed", 100, to=log, clock=lambda: next(now))
    for cells in (20, 42, 38):
        count(cells)
    assert log.getvalue() == "embed: 62/100 cells, 2 cells/s, 19 s to go\n"
    now, screen = iter([0.0, 1.0, 2.0]), Screen()
    screen.moves = True
    count = Count("embed", 100, to=screen, clock=lambda: next(now))
    count(50)
    count(50)
    assert screen.getvalue().endswith("s to go\rembed: 100/100 cells, 50 cells/s, 0 s to go\n")


def test_work_ahead_keeps_the_order_and_raises_in_its_place():
    def numbers():
        yield from range(9)
        raise ValueError("the tenth")

    for on in (True, False):
        seen = []
        with pytest.raises(ValueError, match="the tenth"):
            seen.extend(ahead(numbers(), on=on))
        assert seen == list(range(9))
    before = threading.active_count()
    items = ahead(iter(range(10**9)))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before


def test_a_pass_takes_the_longest_cells_that_fit():
    lengths = np.array([CPU_TOKENS, 1000, 10])
    room = Room(CPU)
    assert [room.first(lengths[i:]) for i in range(3)] == [1, 2, 1]
    assert room.first(np.array([10 * CPU_TOKENS])) == 1
    assert Room(CPU, cells=2).first(lengths) == 2
    room.halve(8, 100)
    assert room.first(np.full(9, 100)) == 4
    assert fitting(1000, taken=10, free=400) == 20_000
    assert fitting(1000, taken=10**9, free=1) == 1000


def test_embedding_goes_on_in_halves_where_memory_runs_out(corpus, small_design, monkeypatch, capsys):
    encoder = network_of(small_design(), corpus).encoder
    whole = embed(encoder, corpus, device=CPU)
    forward = infer._pass

    def short(encoder, tokens, group, *, device):
        if len(group) > 7:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return forward(encoder, tokens, group, device=device)

    monkeypatch.setattr(infer, "_pass", short)
    np.testing.assert_allclose(embed(encoder, corpus, device=CPU), whole, atol=1e-5)
    assert "on with half as many" in capsys.readouterr().err
    monkeypatch.setattr(infer, "MAPPED_BYTES", 1)
    mapped = embed(encoder, corpus, device=CPU)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_allclose(mapped, whole, atol=1e-5)
