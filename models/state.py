"""What a fitted baseline leaves on disk: arrays as safetensors, all else as JSON; nothing pickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from contract.errors import UserError
from contract.files import atomic, read_json, write_json


def write_state(state: Path, *, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write ``arrays.safetensors`` and ``about.json`` below ``state``."""
    with atomic(Path(state) / "arrays.safetensors") as temporary:
        save_file({name: np.array(value, order="C") for name, value in arrays.items()}, temporary)
    write_json(Path(state) / "about.json", dict(about))


def read_state(state: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what ``write_state`` wrote; a missing or damaged file is a ``UserError``."""
    try:
        return load_file(Path(state) / "arrays.safetensors"), read_json(Path(state) / "about.json")
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            str(state), found=f"no readable checkpoint ({error})", todo="train it again"
        ) from None
