"""The borders: one-line errors, closed YAML, atomic files, the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contract.catalogue import check, read_yaml
from contract.cli import dispatch, table
from contract.errors import UserError, suggestion
from contract.files import atomic, read_json, sha256, write_json
from contract.outcome import Outcome

PIPED = """
import sys, types
from contract.cli import dispatch
talker = types.ModuleType("talker")
talker.add_arguments = lambda parser: None
talker.main = lambda args: print("x" * 10_000_000)
sys.modules["talker"] = talker
sys.exit(dispatch("p", {"go": ("talker", "help")}, about="", argv=["go"]))
"""
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title"],
    "properties": {
        "title": {"type": "string"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{4}$", "description": "four hex digits"},
        "size": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["a", "b"]},
    },
}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"title": "x", "titel": 1}, "found unknown key 'titel'; did you mean 'title'?"),
        ({}, "found no 'title'; expected this field; add 'title: …'"),
        ({"title": 7}, "title: found 7 (a number); expected string; put it in quotes"),
        ({"title": "x", "sha256": 1234}, "put it in quotes"),
        ({"title": "x", "sha256": "xyz"}, "four hex digits"),
        ({"title": "x", "size": 0}, "size: found 0 (a number); expected at least 1"),
        ({"title": "x", "kind": "c"}, "expected one of ['a', 'b']"),
        ([], "expected object"),
        ({"title": "x", "size": 2.0}, "size: found 2.0 (a number); expected integer"),
        ({"title": "x", "sha256": "abcd\n"}, "four hex digits"),
    ],
)
def test_a_mistake_is_one_line(value, told) -> None:
    with pytest.raises(UserError) as error:
        check(value, SCHEMA, where="file.yaml: entry")
    assert told in str(error.value)
    assert str(error.value).startswith("file.yaml: entry")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2\n", "written twice"),
        ("a: [1\n", "line 2"),
        ("a: !!python/object/apply:os.system [echo]\n", "expected valid YAML"),
        ("a: \t- b: {", "expected valid YAML"),
        ("a: {b: [.nan]}\n", "a: b: found nan"),
        ("a: {b: .inf}\n", "a: b: found inf"),
        ("a: !!binary aGk=\n", "a: found b'hi'"),
        ("a: &a [*a]\n", "expected valid YAML"),
    ],
)
def test_broken_yaml_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as error:
        read_yaml(path)
    assert "broken.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_yaml_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"title: caf\xe9\n")
    with pytest.raises(UserError, match="not UTF-8"):
        read_yaml(path)
    with pytest.raises(UserError, match="no such file"):
        read_yaml(tmp_path / "nowhere.yaml")


def test_dates_are_text(tmp_path: Path) -> None:
    path = tmp_path / "dates.yaml"
    path.write_text("since: 2017-01-16\nuntil: 2017-13-01\n")
    assert read_yaml(path) == {"since": "2017-01-16", "until": "2017-13-01"}


def test_a_key_may_override_a_merged_one(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, y: 4}\n")
    assert read_yaml(path)["b"] == {"x": 3, "y": 2}
    assert read_yaml(path)["c"] == {"x": 3, "y": 4}


def test_atomic_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(IsADirectoryError), atomic(path) as temporary:  # noqa: PT012 - fails half way
        temporary.write_text("half of")
        tmp_path.read_text()
    assert read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-4, example B.1
    assert sha256(path).startswith("ba7816bf8f01cfea414140de5dae2223")


def test_outcome_round_trip(tmp_path: Path) -> None:
    outcome = Outcome(status="failed", stage="embed", reason="why", log_tail="…")
    outcome.write(tmp_path / "outcome.json")
    assert Outcome.read(tmp_path / "outcome.json") == outcome


def test_suggestion() -> None:
    assert suggestion("hormony", ["pca", "harmony"]) == "did you mean 'harmony'? known: harmony, pca"


def test_command_line_prints_one_line(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "broken_command.py").write_text(
        "from contract.errors import UserError\n"
        "def add_arguments(parser): parser.add_argument('--x')\n"
        "def main(args): raise UserError('here', found=args.x, todo='look')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    status = dispatch("p", {"go": ("broken_command", "help")}, about="", argv=["go", "--x", "3"])
    assert status == 2
    assert capsys.readouterr().err == "error: here: found 3; look\n"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "writing_command.py").write_text(
        "from contract.files import write_json\nfrom pathlib import Path\n"
        "def add_arguments(parser): parser.add_argument('--out', type=Path)\n"
        "def main(args): write_json(args.out / 'x.json', {})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    taken = tmp_path / "writing_command.py"
    status = dispatch("p", {"go": ("writing_command", "help")}, about="", argv=["go", "--out", str(taken)])
    assert status == 2
    assert capsys.readouterr().err == f"error: {taken}: found File exists; choose another place\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """``python -m models list | head -1``: the pipe is closed before the table is out."""
    command = [sys.executable, "-c", PIPED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_table_aligns_and_shows_gaps() -> None:
    text = table([{"a": "long name", "b": None}, {"a": 1, "b": 2.5}], columns=["a", "b"])
    assert text.splitlines() == ["a          b", "---------  ---", "long name  -", "1          2.5"]
