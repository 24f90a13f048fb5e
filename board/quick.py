"""``python -m board quick``: an embedding of one's own beside the baselines, to a page, without YAML.

It writes the three catalogues that a study needs, and runs ``python -m workflow run`` on them: what it
makes can be edited and run again by hand.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import yaml
from anndata.io import read_elem

from contract.catalogue import read_yaml
from contract.errors import UserError, suggestion
from contract.files import atomic, sha256
from tasks.table import TASKS

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ("hvg", "pca", "harmony", "scvi")
CONTROLS = ("noise", "shuffled", "oracle")
ASKED = {name: task for name, task in TASKS.items() if not task.by_protocol}
"""What an embedding can answer without anybody learning from labels."""
ENSEMBL = {"ENSG": "human", "ENSMUSG": "mouse"}
ROLES = ("label", "batch", "donor", "ontology")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board quick``."""
    parser.add_argument(
        "h5ad", type=Path, help="cells with raw counts in X or raw.X, and the embedding in obsm"
    )
    parser.add_argument("--obsm", action="append", required=True, help="the embedding (may be given again)")
    parser.add_argument("--label", required=True, help="obs column of cell types")
    parser.add_argument("--batch", help="obs column of batches")
    parser.add_argument(
        "--donor", help="obs column of donors, without which there are no verdicts over donors"
    )
    parser.add_argument("--ontology", help="obs column of Cell Ontology ids of the types")
    parser.add_argument(
        "--label-source",
        default="clustering",
        choices=["facs", "genotype", "protein", "clustering", "reference_mapping"],
        help="where the labels come from (default: clustering, of which least is believed)",
    )
    parser.add_argument(
        "--frozen",
        action="store_true",
        help="the embedding is of a model fitted elsewhere; else it is taken to have seen these cells",
    )
    parser.add_argument(
        "--without", action="append", default=[], choices=BASELINES, help="leave out a baseline"
    )
    parser.add_argument(
        "--out", type=Path, help="folder of catalogues and results (default: quick-NAME here)"
    )
    parser.add_argument("--cores", default="all", help="how many cores to use (default: all)")
    parser.add_argument(
        "--dry-run", action="store_true", help="write the catalogues, show the plan, run nothing"
    )


def main(args: argparse.Namespace) -> int:
    """Write the catalogues, run the study; return the exit status of the run."""
    found = look(args.h5ad)
    for role in ROLES:
        _known(getattr(args, role), found["obs"], f"--{role}")
    for key in args.obsm:
        _known(key, found["obsm"], "--obsm")
    if "pca" in args.without:
        raise UserError("--without", found="'pca', the reference", expected="another one")
    out = args.out or Path(f"quick-{slug(args.h5ad.stem)}")
    name = slug(args.h5ad.stem)
    models = catalogue(f"cells/{name}.h5ad", args.obsm, frozen=args.frozen, without=args.without)
    _link(out / "cells" / f"{name}.h5ad", args.h5ad.resolve())
    _write(out / "datasets.yaml", {name: data_set(args, found)})
    _write(out / "models.yaml", {"models": models})
    _write(out / "study.yaml", study(name, models))
    return _run(out, cores=args.cores, dry=args.dry_run)


def look(path: Path) -> dict[str, Any]:
    """Columns of ``obs``, arrays of ``obsm`` and the table of genes of an h5ad; its counts are not read."""
    if path.suffix != ".h5ad" or not path.is_file():
        raise UserError(str(path), found="no such h5ad", expected="a file NAME.h5ad")
    try:
        with closing(h5py.File(path, "r")) as file:
            obs, var = read_elem(file["obs"]), read_elem(file["var"])
            return {"obs": [str(c) for c in obs.columns], "obsm": sorted(file.get("obsm", ())), "var": var}
    except (OSError, KeyError) as error:
        raise UserError(str(path), found=f"no readable h5ad ({error})", expected="an .h5ad file") from None


def _known(name: str | None, known: Sequence[str], where: str) -> None:
    if name is not None and name not in known:
        raise UserError(where, found=repr(name), todo=suggestion(name, list(known)))


def slug(name: str) -> str:
    """A name as catalogues have them: small letters, digits and ``_``, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]
    return plain if plain[:1].isalpha() else f"x{plain}"


def gene_ids(var: pd.DataFrame) -> dict[str, Any]:
    """Where gene ids are and whose: an index or column of Ensembl ids; else symbols in the index, human."""
    columns = {None: var.index, **{str(name): var[name] for name in var.columns}}
    for column, values in columns.items():
        if isinstance(values.dtype, pd.CategoricalDtype) or values.dtype.kind in "OTSU":
            text = values.astype(str)
            for start, organism in ENSEMBL.items():
                if (text.str.match(rf"{start}\d{{11}}")).mean() > 0.5:
                    named = {"gene_column": column} if column else {}
                    return {"organism": organism, "gene_ids": "ensembl", **named}
    mouse = var.index.astype(str).str.match(r"[A-Z][a-z]").mean() > 0.5
    return {"organism": "mouse" if mouse else "human", "gene_ids": "symbol"}


def data_set(args: argparse.Namespace, found: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of ``datasets.yaml``: nothing is claimed that was not said."""
    return {
        "title": args.h5ad.name,
        "source": {"kind": "file", "path": f"{slug(args.h5ad.stem)}.h5ad"},
        "sha256": sha256(args.h5ad),
        "license": "not stated",
        "citation": "not stated",
        **gene_ids(found["var"]),
        "total_counts": "none",
        "obs": {role: getattr(args, role) for role in ROLES if getattr(args, role)},
        "label_source": args.label_source,
        "public_since": "1970",  # not known, so any corpus could hold these cells
        "tasks": list(ASKED),
    }


def catalogue(
    path: str, keys: Sequence[str], *, frozen: bool, without: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Entries of ``models.yaml``: controls and baselines as this repository pins them, and the embeddings."""
    pinned = read_yaml(ROOT / "models.yaml")["models"]
    taken = {name: pinned[name] for name in (*CONTROLS, *BASELINES) if name not in without}
    saw = ["counts", "pretraining"] if frozen else ["counts"]
    card = {
        "source": "an embedding in obsm",
        "revision": "as in the file",
        "license": "not stated",
        "pretrained_on": None if frozen else [],
        "saw": saw,
        "note": "Scored as found; what it saw was said on the command line.",
    }
    for key in keys:
        name = slug(key.removeprefix("X_"))
        name = f"my_{name}" if name in (*CONTROLS, *BASELINES) else name
        if name in taken:
            raise UserError("--obsm", found=f"two arrays called {name}", expected="each once")
        taken[name] = {
            "adapter": "file",
            "path": path,
            "options": {"obsm": key},
            "fits": ["none" if frozen else "all"],
            "stochastic": False,
            "card": card,
        }
    return taken


def study(dataset: str, models: Mapping[str, Any]) -> dict[str, Any]:
    """The study: every task on its usual primary metric, PCA the reference, one training each."""
    mine = [name for name in models if name not in (*CONTROLS, *BASELINES)]
    rules = {
        name: {"metric": t.primary.metric, "margin": t.primary.margin}
        | ({"readout": t.primary.readout} if t.primary.readout else {})
        for name, t in ASKED.items()
    }
    return {
        "study": "quick",
        "title": f"Quick look at {', '.join(mine)}",
        "question": f"Does {' or '.join(mine)} beat PCA on {dataset}?",
        "datasets": [dataset],
        "models": list(models),
        "seeds": 1,
        "tasks": list(ASKED),
        "reference": "pca",
        "baselines": [name for name in BASELINES if name in models],
        "primary": rules,
        "level": 0.95,
    }


def _write(path: Path, entry: Mapping[str, Any]) -> None:
    with atomic(path) as temporary:
        text = yaml.dump(entry, Dumper=_Whole, sort_keys=False, allow_unicode=True, width=100)
        temporary.write_text(text, encoding="utf-8")


class _Whole(yaml.SafeDumper):
    """Writes what two entries share twice, as a person would."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never an alias."""
        return True


def _link(link: Path, target: Path) -> None:
    """A plain name for the user's file, whatever it is called and wherever it lies."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _run(out: Path, *, cores: str, dry: bool) -> int:
    command = [sys.executable, "-m", "workflow", "run", "--cores", cores, "--config"]
    command += ["study=./study.yaml", "datasets=./datasets.yaml", "models=./models.yaml", "data=cells"]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    print(f"{out}: study.yaml, datasets.yaml and models.yaml are written", flush=True)
    return subprocess.run(
        [*command, *(["--", "--dry-run"] if dry else [])], cwd=out, env=environment, check=False
    ).returncode
