"""Fine-tuning in two processes, as ``torchrun`` starts them: they learn what one does, and one tells."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
from torch.distributed import TCPStore

from models.finetune import FineTuned
from models.finetune_options import FineTuneOptions
from models.labelled import Labels
from models.options import RecipeOptions
from models.pretrained import Pretrained

ROOT = Path(__file__).resolve().parents[2]
BASE = {"recipe": "geneformer", "size": "tiny", "budget_cells": 64}


def answer(folder: Path, name: str) -> None:
    """Learn from all labels, then from one of each type; leave probabilities and losses under the name."""
    train, test = (anndata.read_h5ad(folder / f"{part}.h5ad") for part in ("train", "test"))
    label, unit = (train.obs[column].astype(object).to_numpy() for column in ("label", "unit"))
    labels = Labels(label=label, ontology_id=np.full(len(label), None), unit=unit)
    first = np.isin(np.arange(len(label)), np.unique(label.astype(str), return_index=True)[1])
    few = dataclasses.replace(labels, label=np.where(first, label, None))
    options = FineTuneOptions(**BASE, finetune="last", tune_cells=96)
    model = FineTuned(options, checkpoint=folder / "state", workdir=folder / f"work-{os.getppid()}")
    found = [model.fit(train, labels=told, seed=0).predict(test) for told in (labels, few)]
    losses = [record.get(kind, -1.0) for record in found[0].curve for kind in ("loss", "validation_loss")]
    given = {"all": found[0].probabilities, "few": found[1].probabilities, "losses": losses}
    np.savez(folder / f"{name}.npz", **given)


def test_two_processes_fine_tune_as_one_does(cells_of, programmes, tmp_path):
    Pretrained(RecipeOptions(**BASE)).fit(cells_of(60, seed=9), seed=0).save(tmp_path / "state")
    train = cells_of(101)
    train.obs["label"] = np.array(list("ABCD"))[programmes(101)[1]]
    train.obs["unit"] = train.obs["donor"]
    train.write_h5ad(tmp_path / "train.h5ad")
    cells_of(15, seed=1).write_h5ad(tmp_path / "test.h5ad")
    agent = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    given = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(agent.port)}
    given |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path), f"rank-{rank}"],
            env=os.environ | given | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    answer(tmp_path, "alone")
    told = [rank.communicate(timeout=300)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], told
    one, other, alone = (np.load(tmp_path / f"{name}.npz") for name in ("rank-0", "rank-1", "alone"))
    for question in ("all", "few"):
        np.testing.assert_array_equal(one[question], other[question])
        np.testing.assert_allclose(one[question], alone[question], atol=1e-3)
    np.testing.assert_array_equal(one["losses"], other["losses"])
    np.testing.assert_allclose(one["losses"], alone["losses"], rtol=1e-3)
    assert "fine-tune: run 3" in told[0]
    assert "fine-tune: run" not in told[1]


if __name__ == "__main__":
    answer(Path(sys.argv[1]), sys.argv[2])
