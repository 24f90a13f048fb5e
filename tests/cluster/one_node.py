"""A real Slurm of one node on loopback, in a folder of its own: munged, slurmctld and slurmd."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
MEMORY = Path("/sys/fs/cgroup/memory")

SLURM_CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin={task}
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
CGROUP_CONF = """
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
AllowedSwapSpace=0
"""


def limits_memory() -> bool:
    """Whether the kernel lets Slurm hold jobs to their memory here (cgroup v1, writable)."""
    return MEMORY.is_dir() and os.access(MEMORY, os.W_OK)


@contextlib.contextmanager
def one_node(folder: Path) -> Iterator[dict[str, str]]:
    """Start the three daemons, yield the environment in which ``sbatch`` finds them, and stop them."""
    environment = _configure(folder)
    daemons: list[subprocess.Popen] = []
    socket_, key = folder / "munge.socket", folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    try:
        daemons.append(_start(["munged", "--foreground", "--force", f"--socket={socket_}", *files], folder))
        _wait(socket_.exists, folder, "munged")
        daemons.append(_start(["slurmctld", "-D"], folder, environment))
        daemons.append(_start(["slurmd", "-D", "-N", _host()], folder, environment))
        _wait(lambda: "idle" in _ask("sinfo", "-h", "-o", "%T", environment=environment), folder, "a node")
        yield environment
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            _ask("scancel", "--user", "root", environment=environment)
        for daemon in reversed(daemons):
            _stop(daemon)


def jobs(environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """What Slurm remembers of each job, by its number: state, log, and what was asked for."""
    lines = _ask("scontrol", "--oneliner", "show", "jobs", environment=environment).splitlines()
    found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return {job["JobId"]: job for job in found if "JobId" in job}


def _configure(folder: Path) -> dict[str, str]:
    # Munge refuses a socket below a folder that others may write to.
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    text = SLURM_CONF.format(
        host=_host(),
        folder=folder,
        controller=_free_port(),
        node=_free_port(),
        task="task/cgroup" if limits_memory() else "task/none",
    )
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    (folder / "cgroup.conf").write_text(CGROUP_CONF, encoding="utf-8")
    (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/zero\n", encoding="utf-8")
    conf = folder / "slurm.conf"
    # Snakemake drops SLURM_* from the environment of its job steps, SLURM_CONF with them.
    shim = folder / "bin" / "srun"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    return os.environ | {"SLURM_CONF": str(conf), "PATH": f"{shim.parent}:{os.environ['PATH']}"}


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> subprocess.Popen:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    with open(folder / f"{command[0]}.out", "wb") as out:
        return subprocess.Popen(
            [program, *command[1:]], env=environment, stdout=out, stderr=subprocess.STDOUT
        )


def _stop(daemon: subprocess.Popen) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(timeout=15)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _ask(*command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout


def _wait(ready: Callable[[], bool], folder: Path, what: str, *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(
                f"{path.name}: {path.read_text(errors='replace')[-2000:]}"
                for path in sorted([*folder.glob("*.out"), *folder.glob("slurm*.log")])
            )
            raise RuntimeError(f"{what} did not come up within {seconds:.0f} s\n{logs}")
        time.sleep(0.2)
