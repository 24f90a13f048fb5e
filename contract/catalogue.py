"""YAML files with a closed schema: every mistake is one line that names file, entry and field."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from contract.errors import UserError, suggestion

MOST_VALUES = 300_000
"""In one file: aliases of aliases grow without bound, and no catalogue of people's making is so long."""


class _StrictLoader(yaml.SafeLoader):
    """``SafeLoader`` that refuses a key written twice, which YAML would silently drop; dates stay text."""

    yaml_implicit_resolvers: ClassVar = {
        letter: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Look at the keys as written: one that overrides a merged ``<<`` is written once."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is written twice", key.start_mark
                )
            seen.add(name)
        return node


def _is_integer(checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    """In Python a ``$`` also matches before a last line break, which an id must not have."""
    if isinstance(value, str) and (value.endswith("\n") or not re.search(pattern, value)):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


# 2.0 is no integer: Python's range and numpy's seeds do not take it.
_Validator = validators.extend(
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; dates stay text, so that a schema can speak about them.

    Raises
    ------
    UserError
        If the file is missing, is not UTF-8 text or not YAML, has a key twice, or holds what
        JSON cannot: infinity, not-a-number, bytes, a set; or more values than anybody writes.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="check the path")
    try:
        text = path.read_text(encoding="utf-8")
        value = yaml.load(text, Loader=_StrictLoader)
        return _plain(value, where=str(path), left=iter(range(MOST_VALUES)))
    except UnicodeDecodeError as error:
        raise UserError(str(path), found=f"bytes that are not UTF-8 ({error.reason})") from None
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - the parser stumbles in many ways: `!!int` ends it with an IndexError
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"{path}{line}", found=problem, expected="valid YAML") from None


def _plain(value: Any, *, where: str, left: Iterator[int]) -> Any:
    """``value`` if JSON can hold it; each alias is counted as often as it is used (``left`` values)."""
    if next(left, None) is None:
        raise UserError(where, found=f"more than {MOST_VALUES} values", todo="write fewer aliases")
    if isinstance(value, dict):
        return {
            _plain(k, where=where, left=left): _plain(v, where=f"{where}: {k}", left=left)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_plain(v, where=where, left=left) for v in value]
    if isinstance(value, int) and value.bit_length() > 64:
        raise UserError(where, found=f"an integer of {value.bit_length()} bits", expected="64 at most")
    finite = not isinstance(value, float) or math.isfinite(value)
    if value is None or (isinstance(value, str | int | float) and finite):
        return value
    raise UserError(where, found=_show(value), expected="text, a finite number, true, false or null")


def check(value: Any, schema: dict, *, where: str) -> None:
    """Raise a ``UserError`` for the most telling breach of ``schema``, naming its path below ``where``."""
    error = best_match(_Validator(schema).iter_errors(value))
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
        "minProperties": f"at least {limit} entry(s)",
        "minLength": f"at least {limit} character(s)",
        "maxLength": f"at most {limit} characters",
        "minimum": f"at least {limit}",
        "maximum": f"at most {limit}",
        "exclusiveMinimum": f"more than {limit}",
        "exclusiveMaximum": f"less than {limit}",
        "uniqueItems": "each item once",
        "propertyNames": "another name",
    }.get(rule, error.message)
    return f"{plain}: {hint}" if hint else plain


def _todo(found: Any, limit: Any) -> str:
    wants_text = limit == "string" or (isinstance(limit, list) and "string" in limit)
    return "put it in quotes" if wants_text and isinstance(found, int | float) else ""
