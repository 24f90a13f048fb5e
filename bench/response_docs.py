"""The generated parts of ``docs/metrics.md``: a line of facts for each score, and the table of responses."""

import re
from collections.abc import Mapping

from bench.response_words import Response
from contract.errors import UserError
from metrics.row import Metric
from metrics.table import TABLE

PART = re.compile(r"<!-- generated: (?P<name>\S+) -->\n(?P<body>.*?)<!-- end -->", re.S)
HEADING = re.compile(r"^### `(?P<name>\w+)`$", re.M)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")


def facts(metric: Metric) -> str:
    """Return one line on what the table says of a score."""
    chance = "chance depends on the data" if metric.chance is None else f"chance {metric.chance:g}"
    per = "" if metric.per == "set" else f" · mean over {metric.per}s"
    link = f"[{metric.doi}](https://doi.org/{metric.doi})" if metric.doi else metric.code
    source = f" · {link}" if link else ""
    return (
        f"**{metric.title}** · best {_number(metric.best)}, worst {_number(metric.worst)}, {chance}{per} · "
        f"needs {', '.join(metric.needs)} · version {metric.version}{source}\n"
    )


def _number(value: float) -> str:
    return f"{value:g}".replace("inf", "∞")


def response_table(responses: Mapping[str, Mapping[str, Response]], sweeps: Mapping[str, str]) -> str:
    """Return a Markdown table: a row a score, a column a sweep; what does not worsen stands in bold."""
    lines = [f"| score | {' | '.join(sweeps.values())} |", "|---" * (len(sweeps) + 1) + "|"]
    for name, found in responses.items():
        cells = [_cell(found[sweep]) for sweep in sweeps]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(response: Response) -> str:
    ends = [response.mean[0], response.mean[-1]]
    if response.extreme is not None:
        ends.insert(1, response.mean[response.extreme])
    word = response.word if response.word in {"worsens", "flat"} else f"**{response.word}**"
    return f"{' → '.join(f'{value:.2f}' for value in ends)} ± {response.change_error:.2f} {word}"


def splice(text: str, parts: Mapping[str, str], *, where: str) -> str:
    """Put parts into their places; UserError where a place or a part is missing."""
    places = [match["name"] for match in PART.finditer(text)]
    if sorted(places) != sorted(parts):
        odd = sorted(set(places) ^ set(parts)) or sorted({p for p in places if places.count(p) > 1})
        raise UserError(
            where,
            found=f"generated parts that differ from the table of scores: {', '.join(odd)}",
            expected="one paragraph for each row of metrics.TABLE, headed by ### and its name",
        )
    return PART.sub(
        lambda match: f"<!-- generated: {match['name']} -->\n{parts[match['name']]}<!-- end -->", text
    )


def fact_parts() -> dict[str, str]:
    """Return the line of facts of every score, by the name of its place."""
    return {name: facts(metric) for name, metric in TABLE.items()}


def same(a: str, b: str, *, tolerance: float) -> bool:
    """Whether two texts have equal words, and numbers that differ by no more than the tolerance."""
    if NUMBER.sub("#", a) != NUMBER.sub("#", b):
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(abs(float(x) - float(y)) <= tolerance for x, y in pairs)
