"""The process in which a contestant runs: ``python -m models.child request.json``.

Its imports are inside functions, because the parent imports this module, too: so that an edit
here re-runs what it should, and so that the parent stays light.
"""

import importlib
import importlib.util
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import NotApplicable, UserError, printable
from contract.files import read_json, read_table, sha256, write_json
from models.supervise import end_with_parent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from models.cells_file import Cells, CellsFile

    Stage = Callable[[dict[str, Any], Path], dict[str, Any]]


def run(path: Path, stages: "Mapping[str, Stage]") -> None:
    """Do what a request says; the report says what came of it, be it an error."""
    request = read_json(path)
    stage = stages[request["stage"]]
    try:
        report = {"status": "ok", "reason": "", **stage(request, Path(request["folder"]))}
    except NotApplicable as error:
        report = {"status": "not_applicable", "reason": one_line(str(error))}
    except UserError as error:
        report = {"status": "failed", "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever a contestant raises is a result
        traceback.print_exc()
        report = {"status": "failed", "reason": one_line(f"{type(error).__name__}: {error}")}
    write_json(Path(request["folder"]) / "report.json", report)


def one_line(text: str) -> str:
    """A reason, cut to 400 letters."""
    short = printable(text)
    return short if len(short) <= 400 else f"{short[:399]}…"


def _embed(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    import numpy as np

    from models.build import construct, construct_labelled, restore
    from models.door import PROBE_CELLS, check_order, embed_to_file
    from models.protocol import as_asked
    from models.training_labels import read_training_labels

    contestant, seed, fit = request["contestant"], request["seed"], request["fit"]
    data = Path(request["data"])
    import_torch_for(contestant)
    make_repeatable(seed)  # a class may draw when it is made
    cells = _open(data / "cells.h5ad")
    truth = _read_rows(data / "truth.parquet", cells) if contestant["needs_truth"] else None
    state = None if request["state"] is None else Path(request["state"])
    if contestant["labelled"]:
        embedder = construct_labelled(contestant, state=state, workdir=Path(request["work"]))
    elif state is None:
        embedder = construct(contestant, seed=seed, truth=truth)
    else:
        embedder = restore(contestant, state)
    make_repeatable(seed)
    clock = time.perf_counter()
    if contestant["labelled"]:
        train = _fit_cells(cells, data, fit=fit).read()
        labels = read_training_labels(Path(request["labels"]), train.obs_names)
        embedder = embedder.fit(train, labels=labels, seed=seed)
        del train  # not to lie beside the cells that are embedded
    elif fit != "none":
        embedder = embedder.fit(as_asked(embedder, _fit_cells(cells, data, fit=fit)), seed=seed)
    fitted = time.perf_counter()
    constant = contestant["adapter"] == "constant"
    embedding = embed_to_file(embedder, cells, folder / "embedding.npy", may_be_constant=constant)
    embedded = time.perf_counter()
    if ":" in contestant["adapter"] and fit != "all":
        probe = cells.of(np.arange(min(PROBE_CELLS, cells.n_obs))).read()
        check_order(embedder, probe, tolerance=contestant["card"]["equivariance_tolerance"])
    return {
        "made": ["embedding.npy"],
        "n": embedding.n,
        "width": embedding.width,
        "constant_columns": embedding.constant_columns,
        "seconds": {"fit": fitted - clock if fit != "none" else None, "embed": embedded - fitted},
        **device(),
        **_own_card(contestant, embedder),
        **_own_input(contestant, cells),
    }


def _pretrain(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    from models.build import construct, require_trainable
    from models.protocol import as_asked

    contestant, seed = request["contestant"], request["seed"]
    cells = _open(Path(request["corpus"]) / "cells.h5ad")
    import_torch_for(contestant)
    make_repeatable(seed)
    labels = None if request["labels"] is None else _read_rows(Path(request["labels"]), cells)
    embedder = construct(contestant, seed=seed, workdir=Path(request["work"]), labels=labels)
    require_trainable(type(embedder), where=contestant["name"])
    make_repeatable(seed)
    clock = time.perf_counter()
    embedder = embedder.fit(as_asked(embedder, cells), seed=seed)
    seconds = time.perf_counter() - clock
    (folder / "state").mkdir()
    embedder.save(folder / "state")
    return {
        "made": ["state"],
        "n": cells.n_obs,
        "seen": embedder.seen if contestant["adapter"] == "recipe" else None,
        "seconds": {"pretrain": seconds},
        **device(),
        **_own_card(contestant, embedder),
    }


def read_cells(path: Path) -> "AnnData":
    """Cells of a prepared data set; none at all is not applicable."""
    import anndata

    cells = anndata.read_h5ad(path)
    _require(cells)
    return cells


def _open(path: Path) -> "CellsFile":
    from models.cells_file import CellsFile

    cells = CellsFile.open(path)
    _require(cells)
    return cells


def _require(cells: "Cells") -> None:
    if not cells.n_obs:
        raise NotApplicable("there are no cells")


def _read_rows(path: Path, cells: "Cells") -> "pd.DataFrame":
    """A table with a row a cell, in the order of ``cells``."""
    table = read_table(path)
    if not table["cell"].astype(str).tolist() == cells.obs_names.tolist():
        raise UserError(str(path), found="other cells than in cells.h5ad", expected="the same, in order")
    return table.set_index(cells.obs_names)


def _fit_cells(cells: "CellsFile", data: Path, *, fit: str) -> "CellsFile":
    if fit == "all":
        return cells
    part = _read_rows(data / "split.parquet", cells)["part"] == "train"
    if not part.any():
        raise NotApplicable("the data set has no training cells")
    return cells.of(part.to_numpy())


def import_torch_for(contestant: dict[str, Any]) -> None:
    """A user's class may draw from torch's global generator, which can be seeded only once it is there."""
    if ":" in contestant["adapter"] and importlib.util.find_spec("torch"):
        importlib.import_module("torch")


def make_repeatable(seed: int) -> None:
    """Seed every global generator that a contestant may use, and ask torch for repeatable kernels."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - foreign code draws from the global generator
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
        torch.set_deterministic_debug_mode("warn")  # unlike its like, without loading torch's compiler
        torch.set_num_threads(_threads())


def _threads() -> int:
    import os

    text = os.environ.get("OMP_NUM_THREADS", "1").split(",")[0]
    return int(text) if text.isdigit() and int(text) > 0 else 1


def device() -> dict[str, Any]:
    """The device that was used, and the most of its memory that was allocated at once."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return {"device": torch.cuda.get_device_name(), "peak_gpu_bytes": torch.cuda.max_memory_allocated()}
    return {"device": "cpu", "peak_gpu_bytes": None}


def _own_card(contestant: dict[str, Any], embedder: Any) -> dict[str, Any]:
    from models.registry import ADAPTERS

    known = ADAPTERS.get(contestant["adapter"])
    return {"card": embedder.card.as_dict()} if known and known.tells_card else {}


def _own_input(contestant: dict[str, Any], cells: "CellsFile") -> dict[str, Any]:
    """Hash of the ready-made array, where that is what the contestant is."""
    if contestant["adapter"] != "file":
        return {}
    from models.outside import array_path

    path = array_path(contestant["options"]["path"], cells)
    return {"inputs": {path.name: sha256(path)}}


if __name__ == "__main__":
    end_with_parent()
    run(Path(sys.argv[1]), {"embed": _embed, "pretrain": _pretrain})
