"""How inputs of chance are made, and what is asked of whoever reads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from contract.errors import UserError
from models.transformer.errors import TransformerError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["pca", "../x", "a@b", "CL:0000236", "matrix", "obs:", "2017", "x\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
DAMAGE = st.tuples(
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6),
    st.none() | st.integers(0, 1 << 20),
    st.none() | st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8)),
)
EDITS = st.lists(
    st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=5), JSON, st.integers(0, 2)),
    min_size=1,
    max_size=3,
)


def often(examples: int) -> Callable[[Any], Any]:
    """So many inputs, the same on every run."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def one_line(error: UserError | TransformerError) -> None:
    assert str(error).isprintable(), repr(str(error))
    assert "found" in str(error) or isinstance(error, TransformerError)


def read_or_refused(path: Path, content: bytes, read: Callable[[Path], Any]) -> Any:
    path.write_bytes(content)
    try:
        return read(path)
    except (UserError, TransformerError) as error:
        one_line(error)
        return None


def edited(value: Any, steps: list[int], new: Any, *, how: int) -> Any:
    """A copy of ``value`` with one part replaced, dropped, or put under another name."""
    if not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[steps[0] % len(keys)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(steps) > 1 and isinstance(copy[key], dict | list) and copy[key]:
        copy[key] = edited(copy[key], steps[1:], new, how=how)
    elif how == 0:
        copy[key] = new
    elif how == 1:
        del copy[key]
    elif isinstance(copy, dict):
        copy[str(new)] = copy.pop(key)
    else:
        copy.append(new)
    return copy


def with_edits(value: Any, edits: list[tuple[list[int], Any, int]]) -> Any:
    """A copy of ``value`` after all of these edits."""
    for steps, new, how in edits:
        value = edited(value, steps, new, how=how)
    return value


def damaged(content: bytes, damage: tuple) -> bytes:
    """Some bytes changed, some put in between, the end cut off."""
    changes, end, extra = damage
    spoilt = bytearray(content)
    for place, value in changes:
        spoilt[place % len(spoilt)] = value
    if extra is not None:
        at = extra[0] % len(spoilt)
        spoilt[at:at] = extra[1]
    return bytes(spoilt if end is None else spoilt[: end % len(spoilt)])
