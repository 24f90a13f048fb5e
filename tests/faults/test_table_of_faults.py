"""Each fault that the documentation names has the tests that it names."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_named_test_is_there() -> None:
    table = (ROOT / "docs" / "footguns.md").read_text(encoding="utf-8").partition("## Faults")[2]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", row)
        assert named, row
        for path, name in named:
            assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"
