"""Plain YAML or JSON → frozen dataclasses. Closed: what is not declared is a mistake, told in one line."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from models.transformer.errors import RecipeError


def build(kind: Any, value: Any, *, where: str) -> Any:
    """A value of the annotated ``kind``; where several dataclasses are possible, its key ``kind`` chooses.

    Raises
    ------
    RecipeError
        For an unknown or missing key, a wrong type, or a word outside the vocabulary.
    """
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        return _build_one_of(get_args(kind), value, where=where)
    if dataclasses.is_dataclass(kind):
        return _build_class(kind, value, where=where)
    if origin is dict and isinstance(value, Mapping):
        inner = get_args(kind)[1]
        return {str(k): build(inner, v, where=f"{where}: {k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(build(get_args(kind)[0], v, where=f"{where}: {i}") for i, v in enumerate(value))
    if origin is Literal:
        if isinstance(value, str) and value in get_args(kind):
            return value
        raise RecipeError(f"{where}: found {value!r}; {suggestion(str(value), get_args(kind))}")
    if origin is None and _is(value, kind):
        return kind(value)
    raise RecipeError(f"{where}: found {value!r}; expected {_name(kind)}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was probably meant, and all that is known."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(known)}"


def _is(value: Any, kind: Any) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    return isinstance(value, int | float if kind is float else kind)


def _build_one_of(kinds: tuple[Any, ...], value: Any, *, where: str) -> Any:
    """``X | None``, or dataclasses told apart by their ``kind``."""
    if NoneType in kinds:
        if value is None:
            return None
        (kinds,) = [tuple(kind for kind in kinds if kind is not NoneType)]
    if len(kinds) == 1:
        return build(kinds[0], value, where=where)
    by_name = {get_args(get_type_hints(kind)["kind"])[0]: kind for kind in kinds}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise RecipeError(f"{where}: no 'kind'; add 'kind: …', one of {', '.join(by_name)}")
    if value["kind"] not in by_name:
        raise RecipeError(
            f"{where}: kind: found {value['kind']!r}; {suggestion(str(value['kind']), by_name)}"
        )
    return _build_class(by_name[value["kind"]], value, where=where)


def _build_class(kind: Any, value: Any, *, where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where}: found {value!r}; expected keys {', '.join(fields)}")
    for key in value:
        if key not in fields:
            raise RecipeError(f"{where}: unknown key {key!r}; {suggestion(str(key), fields)}")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            raise RecipeError(f"{where}: no {name!r}; add '{name}: …'")
    hints = get_type_hints(kind)
    return kind(**{key: build(hints[key], item, where=f"{where}: {key}") for key, item in value.items()})


def _name(kind: Any) -> str:
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return plain.get(kind) or ("a list" if get_origin(kind) is tuple else "keys and values")
