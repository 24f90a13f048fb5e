"""A study on a real Slurm: bundles, GPUs, more memory the second time, and a page in spite of a glutton."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness import environment
from one_node import PROGRAMS, jobs, limits_memory, one_node
from small import CONFIG, small_study

from contract.files import read_json

pytestmark = [pytest.mark.e2e, pytest.mark.slurm]

PACKAGES = ("slurm-wlm", "munge")
PROFILE = {
    # A cluster of one machine without accounting, which is asked more often than a real one should be.
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 2,
    "latency-wait": 5,
}
GLUTTON = """
import numpy as np

class Glutton:
    def fit(self, train, *, seed):
        return self

    def embed(self, cells):
        held = [bytearray(1 << 28) for _ in range(20)]
        return np.asarray(cells.X[:, :3].toarray(), dtype=np.float32)
"""
CARD = {"source": "here", "revision": "1", "license": "MIT", "pretrained_on": [], "saw": ["counts"]}


@dataclass(frozen=True)
class Ran:
    """The clone in which the study ran, what Snakemake said, and Slurm's record of each job by its number."""

    where: Path
    status: int
    told: str
    jobs: dict[str, dict[str, str]]

    def of(self, kind: str) -> list[dict[str, str]]:
        """Slurm's records of the jobs whose log lies below a folder of this name, in order."""
        return [job for _, job in sorted(self.jobs.items(), key=_number) if f"/{kind}" in job["StdOut"]]


def _number(entry: tuple[str, dict[str, str]]) -> int:
    return int(entry[0])


@pytest.fixture(scope="module")
def programs() -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="SKIPPED: pip install '.[cluster]'")
    path = f"{os.environ['PATH']}:/usr/sbin"
    if all(shutil.which(name, path=path) for name in PROGRAMS):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("SKIPPED: no Slurm here, and only root can install one with apt-get")
    install = (
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
    )
    done = subprocess.run(
        f"{install} slurm-wlm munge", shell=True, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        pytest.skip(f"SKIPPED: slurm-wlm cannot be installed: {done.stderr[-300:]}")


def study(where: Path) -> Path:
    """The small study with fewer contestants, and one that takes 5 GiB whatever it is given."""
    small_study(where)
    (where / "glutton.py").write_text(GLUTTON, encoding="utf-8")
    for name, change in {
        "models": lambda file: file["models"].update(glutton={"adapter": "glutton:Glutton", "card": CARD}),
        "study": lambda file: file.update(models=["noise", "pca", "geneformer@small", "glutton"], seeds=1),
    }.items():
        path = where / "small" / f"{name}.yaml"
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(file)
        path.write_text(yaml.safe_dump(file), encoding="utf-8")
    ours = where / "profiles" / "slurm" / "profile.v9+.yaml"
    changed = yaml.safe_load(ours.read_text(encoding="utf-8")) | PROFILE
    (where / "profiles" / "one_node").mkdir()
    (where / "profiles" / "one_node" / ours.name).write_text(yaml.safe_dump(changed), encoding="utf-8")
    return where


@pytest.fixture(scope="module")
def ran(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    where, cluster = study(tmp_path_factory.mktemp("study")), tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "workflow", "run", "--profile", "one_node", *CONFIG]
    with one_node(cluster) as found:
        done = subprocess.run(
            command,
            cwd=where,
            env=environment() | found | {"PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        records = jobs(found)
    told = done.stdout + done.stderr
    assert (where / "results/leaderboards/small/index.html").is_file(), told[-5000:]
    return Ran(where, done.returncode, told, records)


def test_the_study_reaches_its_page(ran: Ran) -> None:
    scores = pd.read_parquet(ran.where / "results/leaderboards/small/scores.parquet")
    fine = scores[scores.model != "glutton"]
    assert set(fine.model) == {"noise", "pca", "geneformer@small"}
    assert not (fine.status == "failed").any()
    assert len(ran.jobs) >= 10
    assert ran.of("rule_page")[-1]["JobState"] == "COMPLETED"


def test_small_jobs_are_bundled(ran: Ran) -> None:
    """``noise`` and twice ``pca`` (fitted on ``train``, and on ``all``) are one job."""
    (bundle,) = ran.of("group_small")
    assert bundle["JobState"] == "COMPLETED"
    assert len(ran.of("rule_embed/small_sim_noise")) == 0


def test_only_what_is_trained_asks_for_a_gpu(ran: Ran) -> None:
    trained = [*ran.of("rule_pretrain"), *ran.of("rule_embed/small_sim_geneformer@small")]
    assert len(trained) == 2
    assert [job.get("TresPerJob") for job in trained] == ["gres:gpu:1", "gres:gpu:1"]
    others = [job for job in ran.jobs.values() if job not in trained]
    assert not any("TresPerJob" in job for job in others)


def test_memory_grows_and_a_glutton_costs_only_itself(ran: Ran) -> None:
    if not limits_memory():
        pytest.skip("SKIPPED: the kernel lets no Slurm limit memory here")
    first, second, *last = ran.of("rule_embed/small_sim_glutton")
    assert first["MinMemoryNode"] == "2000M"
    assert second["MinMemoryNode"] == "4000M"
    assert all(job["MinMemoryNode"] == "2000M" for job in last), "nothing is run, so any node will do"
    outcome = read_json(ran.where / "results/embeddings/small_sim/glutton/fit-none/seed-0/outcome.json")
    assert outcome["status"] == "failed"
    assert "memory" in outcome["reason"]
    scores = pd.read_parquet(ran.where / "results/leaderboards/small/scores.parquet")
    assert set(scores[scores.model == "glutton"].status) == {"failed"}
    assert ran.status == 1, "a failed contestant is told by the exit status"


def test_the_log_of_each_job_is_where_the_next_looks(ran: Ran) -> None:
    logs = ran.where / "results" / "logs"
    assert (logs / "embed/small_sim/pca/fit-train/seed-0.log").is_file()
    assert (logs / "pretrain/geneformer@small/seed-0.log").is_file()
    assert list((logs / "slurm").rglob("*.log")), "Slurm's own logs of jobs that failed are kept"
