"""The page is a pure function of the results: process, hash order, place and time change nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

from made_up import whole_study
from written import files

ROOT = Path(__file__).resolve().parents[2]
MADE = re.compile(r"<dt>made</dt><dd>.*?</dd>")


def published(folder: Path, *, seed: str, zone: str, here: Path) -> dict[str, bytes]:
    """What ``board page`` writes in a process of its own, but for the date and the machine."""
    arguments = files(folder, whole_study())
    here.mkdir(exist_ok=True)
    no_git = str(Path(sys.executable).parent)  # a commit between the two runs is no fault of theirs
    changed = {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(ROOT), "PATH": no_git}
    environment = os.environ | changed
    command = [sys.executable, "-m", "board", "page", *arguments]
    subprocess.run(command, cwd=here, env=environment, check=True, capture_output=True)
    text = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert len(MADE.findall(text)) == 1
    names = ("scores.csv", "scores.parquet", "leaderboard.json")
    return {
        "index.html": MADE.sub("", text).encode(),
        **{name: (folder / "out" / name).read_bytes() for name in names},
    }


def test_same_results_same_bytes_wherever_and_whenever(tmp_path) -> None:
    folder = tmp_path / "study"
    one = published(folder, seed="1", zone="Asia/Tokyo", here=tmp_path / "here")
    other = published(folder, seed="2", zone="America/Lima", here=tmp_path / "there")
    assert one == other


CAPTIONS = [
    "Embedding quality · inductive: gain over pca",
    "Naming cell types · inductive: gain over pca",
    "integration · blood · inductive: gain over pca in Biological conservation (higher is better)",
    "annotation · blood · inductive: gain over pca in Balanced accuracy, logistic probe (higher is better)",
    "integration · blood · inductive",
    "integration · blood · transductive",
    "annotation · blood · inductive · knn probe",
    "annotation · blood · inductive · logistic probe",
    "annotation · blood · transductive · knn probe",
    "annotation · blood · transductive · logistic probe",
    "inductive: 0.60 × biological conservation + 0.40 × batch correction",
    "inductive: ε-fronts of the two scores (ε = 0.001), whatever their weight; silent on uncertainty",
    "transductive: 0.60 × biological conservation + 0.40 × batch correction",
    "transductive: ε-fronts of the two scores (ε = 0.001), whatever their weight; silent on uncertainty",
    "Runs and values of each contestant on each data set, and why values are missing",
    "Time and memory of each contestant on each data set",
    "The metrics on this page",
    "Files that this page was made from",
]
"""What the page of the made-up study holds, in this order: a table that is lost or added is a decision."""


def test_the_tables_of_the_page_are_these(tmp_path) -> None:
    page = published(tmp_path / "study", seed="0", zone="UTC", here=tmp_path)["index.html"].decode()
    found = re.findall(r"<caption>(.*?)</caption>", page, re.DOTALL)
    assert [re.sub(r"<[^>]*>", "", caption) for caption in found] == CAPTIONS
