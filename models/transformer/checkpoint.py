"""Checkpoints: safetensors and JSON, written atomically, validated on reading, never pickled."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.transformer.errors import CheckpointError, TransformerError
from models.transformer.objectives import Network
from models.transformer.recipe import Design, design_from
from models.transformer.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A network with all it needs to embed; ``curve`` holds one record a point of the training."""

    design: Design
    vocabulary: Vocabulary
    network: Network
    curve: list[dict[str, Any]]


def build(design: Design, *, vocabulary: int, specials: int) -> Network:
    """An untrained network; draws from torch's global generator."""
    return Network(design, vocabulary=vocabulary, specials=specials)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``weights.safetensors``, ``config.json``, ``vocabulary.json`` and ``curve.json``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = checkpoint.vocabulary
    _write_json(folder / "config.json", checkpoint.design.to_dict())
    _write_json(folder / "curve.json", checkpoint.curve)
    _write_json(
        folder / "vocabulary.json",
        {
            "specials": list(vocabulary.specials),
            "genes": list(vocabulary.genes),
            "medians": [float(median) for median in vocabulary.medians],
            "means": [float(mean) for mean in vocabulary.means],
            "edges": None if vocabulary.edges is None else vocabulary.edges.tolist(),
        },
    )
    write_tensors(folder / "weights.safetensors", checkpoint.network.state_dict(), metadata={})


def load(folder: Path) -> Checkpoint:
    """Read what ``save`` wrote.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or weights and configuration disagree.
    """
    folder = Path(folder)
    try:
        design = design_from(_read_json(folder / "config.json"), where=str(folder / "config.json"))
        vocabulary = _vocabulary(_read_json(folder / "vocabulary.json"))
    except CheckpointError:
        raise
    except (TransformerError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: damaged description: {error!r}") from None
    # Not on "meta", whose fill-in rules load torch's compiler: seconds for a small network.
    network = build(design, vocabulary=len(vocabulary), specials=len(vocabulary.specials))
    weights, _ = read_tensors(folder / "weights.safetensors")
    _check_shapes(weights, network.state_dict(), where=folder / "weights.safetensors")
    network.load_state_dict(weights, assign=True)
    curve = _read_json(folder / "curve.json")
    return Checkpoint(design=design, vocabulary=vocabulary, network=network, curve=curve)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, Any]) -> None:
    """Write tensors and JSON ``metadata`` as one safetensors file, so that the two always agree."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    temporary = path.with_name(f".{path.name}.partial")
    save_file(plain, temporary, metadata={"json": json.dumps(metadata, allow_nan=False)})
    os.replace(temporary, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read tensors and metadata back."""
    try:
        with safe_open(str(path), framework="pt") as handle:
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            return tensors, json.loads((handle.metadata() or {}).get("json", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None


def _check_shapes(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: Path) -> None:
    for name in sorted(found.keys() ^ expected.keys()):
        raise CheckpointError(f"{where}: {'unknown' if name in found else 'missing'} tensor {name!r}")
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise CheckpointError(
                f"{where}: {name!r} is {found[name].dtype} {tuple(found[name].shape)}, "
                f"but config.json and vocabulary.json ask for {tensor.dtype} {tuple(tensor.shape)}"
            )
        if not torch.isfinite(found[name]).all():
            raise CheckpointError(f"{where}: {name!r} holds NaN or infinity")


def _vocabulary(value: Any) -> Vocabulary:
    return Vocabulary(
        specials=tuple(value["specials"]),
        genes=tuple(value["genes"]),
        medians=np.array(value["medians"], dtype=np.float64),
        means=np.array(value["means"], dtype=np.float64),
        edges=None if value.get("edges") is None else np.array(value["edges"], dtype=np.float64),
    )


def _write_json(path: Path, value: Any) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(
        json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    os.replace(temporary, path)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None
