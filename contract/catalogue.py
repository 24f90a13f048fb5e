"""YAML files with a closed schema: every mistake is one line that names file, entry and field."""

import datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from contract.errors import UserError, suggestion


class _StrictLoader(yaml.SafeLoader):
    """``SafeLoader`` that refuses a key written twice, which YAML would silently drop."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode, deep: bool = False) -> dict:
    loader.flatten_mapping(node)
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is written twice", key_node.start_mark
            )
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; dates become ISO text, so that a schema can speak about them.

    Raises
    ------
    UserError
        If the file is missing, is not UTF-8 text or not YAML, or has a key twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="check the path")
    try:
        text = path.read_text(encoding="utf-8")
        return _plain(yaml.load(text, Loader=_StrictLoader))
    except UnicodeDecodeError as error:
        raise UserError(str(path), found=f"bytes that are not UTF-8 ({error.reason})") from None
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{path}{line}", found=problem, expected="valid YAML") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    return value


def check(value: Any, schema: dict, *, where: str) -> None:
    """Raise a ``UserError`` for the most telling breach of ``schema``, naming its path below ``where``."""
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is not None:
        raise _explain(error, where=where)


def _explain(error: ValidationError, *, where: str) -> UserError:
    path = ".".join(str(part) for part in error.absolute_path)
    place = f"{where}: {path}" if path else where
    found, rule, limit = error.instance, error.validator, error.validator_value
    if rule == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        extra = [key for key in found if key not in known]
        return UserError(place, found=f"unknown key {extra[0]!r}", todo=suggestion(str(extra[0]), known))
    if rule == "required":
        missing = [key for key in limit if key not in found]
        return UserError(
            place, found=f"no {missing[0]!r}", expected="this field", todo=f"add '{missing[0]}: …'"
        )
    return UserError(
        place, found=_show(found), expected=_expected(error, rule, limit), todo=_todo(found, limit)
    )


def _show(found: Any) -> str:
    text = repr(found)
    kind = {bool: "true or false", int: "a number", float: "a number", str: "text"}.get(type(found))
    short = text if len(text) <= 80 else f"{text[:77]}…"
    return f"{short} ({kind})" if kind else short


def _expected(error: ValidationError, rule: str, limit: Any) -> str:
    hint = error.schema.get("description", "")
    plain = {
        "type": f"{limit}",
        "enum": f"one of {limit}",
        "const": f"{limit!r}",
        "pattern": f"text that matches {limit}",
        "minItems": f"at least {limit} item(s)",
        "minLength": f"at least {limit} character(s)",
        "minimum": f"at least {limit}",
        "maximum": f"at most {limit}",
        "exclusiveMinimum": f"more than {limit}",
        "uniqueItems": "each item once",
        "propertyNames": "another name",
    }.get(rule, error.message)
    return f"{plain}: {hint}" if hint else plain


def _todo(found: Any, limit: Any) -> str:
    wants_text = limit == "string" or (isinstance(limit, list) and "string" in limit)
    return "put it in quotes" if wants_text and isinstance(found, int | float) else ""
