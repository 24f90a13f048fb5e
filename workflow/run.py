"""Run a study to its page: check the catalogues, take the lock, run Snakemake, say where the page is."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from contract.errors import UserError, suggestion
from workflow.config import read
from workflow.fingerprint import ROOT
from workflow.lock import HELD_BY_PARENT, ONLY_LOOKING, hold

SNAKEMAKE_LOCKS = Path(".snakemake/locks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--cores``, ``--profile``, ``--config`` and Snakemake's own options after ``--``."""
    parser.add_argument("--cores", help="how many cores to use (default: all, or what the profile says)")
    parser.add_argument(
        "--profile", metavar="NAME", help="a folder below profiles/, or a path: where and how jobs run"
    )
    parser.add_argument(
        "--config",
        nargs="+",
        default=[],
        metavar="key=value",
        help="study=PATH datasets=PATH models=PATH data=DIR",
    )
    parser.add_argument("snakemake", nargs="*", metavar="-- …", help="options handed to snakemake")


def main(args: argparse.Namespace) -> int:
    """Return Snakemake's exit status, or 1 when a step of the study failed."""
    config = _pairs(args.config)
    study, *_ = read(config, home=ROOT)
    handle = hold()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        *_where(args.cores, args.profile),
    ]
    config_options = ["--config", *args.config] if args.config else []
    environment = os.environ | {
        HELD_BY_PARENT: str(os.getpid()),
        # The rules call `python`: let it be this one, whether or not .venv is activated.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if SNAKEMAKE_LOCKS.is_dir() and any(SNAKEMAKE_LOCKS.iterdir()):
        # Left by a run that was killed: we hold the flock, so nobody else is alive here.
        subprocess.run([*command, "--unlock", *config_options], check=True, env=environment)
    # The child inherits the flock: it stays held for as long as Snakemake lives, even if we are killed.
    done = subprocess.run(
        [*command, *args.snakemake, *config_options], env=environment, pass_fds=(handle,), check=False
    )
    return done.returncode or _check(study.id, dry=bool(ONLY_LOOKING & set(args.snakemake)))


def _where(cores: str | None, profile: str | None) -> list[str]:
    """Options for Snakemake; a profile takes the place of the default one, cores included."""
    if profile is None:
        return ["--cores", cores or "all"]
    places = (Path(profile), Path("profiles") / profile, ROOT / "profiles" / profile)
    found = next((place for place in places if any(place.glob("profile*.yaml"))), None)
    if found is None:
        known = sorted(path.parent.name for path in ROOT.glob("profiles/*/profile*.yaml"))
        raise UserError("--profile", found=repr(profile), todo=suggestion(profile, known))
    return ["--workflow-profile", str(found), *(["--cores", cores] if cores else [])]


def _pairs(texts: list[str]) -> dict[str, object]:
    """``key=value`` as Snakemake will read them: ``2024`` is a number there."""
    for text in texts:
        if "=" not in text:
            raise UserError("--config", found=repr(text), expected="key=value")
    pairs = dict(text.split("=", 1) for text in texts)
    return {key: int(value) if value.isdigit() else value for key, value in pairs.items()}


def _check(study: str, *, dry: bool) -> int:
    if dry:
        return 0
    page = Path("results/leaderboards") / study
    print(f"\nThe page: {(page / 'index.html').resolve()}", flush=True)
    return subprocess.run(
        [sys.executable, "-m", "board", "check", "--out", str(page)], check=False
    ).returncode
