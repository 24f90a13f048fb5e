"""An edited module changes exactly the fingerprints of what imports it."""

from pathlib import Path

import pytest

from workflow import fingerprint as module
from workflow.fingerprint import fingerprint


@pytest.fixture
def house(tmp_path: Path) -> Path:
    files = {
        "atlas/__init__.py": "",
        "atlas/genes.py": "from contract.errors import UserError\n",
        "atlas/prepare.py": "def f():\n    from atlas.genes import x\n",
        "atlas/fetch.py": "import json\n",
        "atlas/data/table.tsv": "a\tb\n",
        "contract/__init__.py": "",
        "contract/errors.py": "class UserError(Exception): pass\n",
        "models/__init__.py": "",
        "models/pca.py": "import numpy\n",
        "models/transformer/__init__.py": "",
        "models/transformer/engine.py": "from models.transformer import block\n",
        "models/transformer/block.py": "",
        "models/transformer/recipes/geneformer.yaml": "size: 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def prints(root: Path) -> dict[str, str]:
    for kept in (module._closure, module._imported, module._data_in):
        kept.cache_clear()
    names = ("atlas.prepare", "atlas.fetch", "models.pca", "models.transformer.engine")
    return {name: fingerprint(name, root=root) for name in names}


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("atlas/genes.py", {"atlas.prepare"}),
        ("contract/errors.py", {"atlas.prepare"}),
        ("atlas/fetch.py", {"atlas.fetch"}),
        ("atlas/data/table.tsv", {"atlas.prepare", "atlas.fetch"}),
        ("models/transformer/block.py", {"models.transformer.engine"}),
        ("models/transformer/recipes/geneformer.yaml", {"models.transformer.engine"}),
        ("models/__init__.py", {"models.pca", "models.transformer.engine"}),
    ],
)
def test_only_what_depends_on_it(house: Path, edited: str, changed: set[str]) -> None:
    before = prints(house)
    path = house / edited
    path.write_text(path.read_text() + "# edited\n")
    after = prints(house)
    assert {name for name in before if before[name] != after[name]} == changed


def test_unknown_module(house: Path) -> None:
    with pytest.raises(ValueError, match=r"models\.pcb"):
        fingerprint("models.pcb", root=house)


def test_real_steps_are_apart() -> None:
    """A docstring in metrics/ re-runs scores and page, not embeddings."""
    from workflow.fingerprint import ROOT, _closure

    step = {
        name: {str(path.relative_to(ROOT)) for path in _closure(frozenset([name]), ROOT)}
        for name in ("atlas.prepare", "models.embed", "models.baselines", "tasks.score", "board.page")
    }
    assert any(p.startswith("metrics/") for p in step["tasks.score"])
    for name in ("atlas.prepare", "models.embed", "models.baselines"):
        assert not any(p.startswith(("metrics/", "tasks/", "board/")) for p in step[name])
    assert not any(p.startswith("models/") for p in step["tasks.score"])
    assert not any(p.startswith("models/transformer") for p in step["models.embed"])


def test_a_class_of_the_user_is_found_without_running_its_package(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("raise RuntimeError('needs another environment')\n")
    mine = tmp_path / "theirs" / "mine.py"
    mine.write_text("class Mine: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert module.module_file("theirs.mine") == mine
    assert module.module_file("theirs.nothing") is None
    assert module.module_file("theirs.mine.deeper") is None
    before = module.adapter_fingerprint("models.embed", "theirs.mine:Mine")
    mine.write_text("class Mine: edited = True\n")
    assert module.adapter_fingerprint("models.embed", "theirs.mine:Mine") != before
