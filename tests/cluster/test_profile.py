"""Profiles are found by name, and the one for Slurm asks for what the rules understand."""

import re
from pathlib import Path

import pytest
import yaml

from contract.errors import UserError
from workflow.fingerprint import ROOT
from workflow.run import _where


def test_at_home_all_cores_are_used() -> None:
    assert _where(None, None) == ["--cores", "all"]
    assert _where("3", None) == ["--cores", "3"]


def test_a_profile_takes_the_place_of_the_default_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _where(None, "slurm") == ["--workflow-profile", str(ROOT / "profiles" / "slurm")]
    assert _where("9", "slurm")[2:] == ["--cores", "9"]
    mine = tmp_path / "profiles" / "slurm"
    mine.mkdir(parents=True)
    (mine / "profile.yaml").write_text("jobs: 3\n")
    assert _where(None, "slurm")[1] == "profiles/slurm", "a user's own comes first"
    assert _where(None, str(mine))[1] == str(mine)


def test_an_unknown_profile_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--profile: found 'slrum'; did you mean 'slurm'"):
        _where(None, "slrum")


def test_the_profile_names_what_the_rules_name() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.v9+.yaml").read_text(encoding="utf-8"))
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert '"gpus_of_a_training"' in rules
    assert profile["default-resources"]["gpus_of_a_training"] == 1
    for group in profile["group-components"]:
        assert group in profile["groups"].values() or f'return "{group}"' in rules
    assert set(profile["groups"]) <= set(re.findall(r"^rule (\w+):", rules, re.M))
