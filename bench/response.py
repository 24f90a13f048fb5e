"""How does each score respond while things get worse? Writes the table, the pictures and their values.

``python -m bench.response`` measures and writes docs/response.json, docs/response.svg,
docs/response_answers.svg and the generated parts of docs/metrics.md; about a minute on one core.
``--check`` measures anew and exits 1 where these are out of step.
"""

import functools
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import response_docs as docs
from bench.response_answers import answers
from bench.response_cells import cells
from bench.response_draw import Picture, draw
from bench.response_read import of_answers, of_cells
from bench.response_words import Response, respond
from contract.errors import UserError
from metrics.table import TABLE

DOCS = Path(__file__).resolve().parents[1] / "docs"
SEEDS = range(6)
TOLERANCE = 0.02  # of a value, or of its size where it is above 1: other processors round differently

Values = dict[str, dict[str, list[list[float]]]]
"""Sweep → metric → one list a level with one value a seed."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One picture and table: how values are got (``measure(seed, **level)``), and what gets worse.

    ``sweeps`` names each level that ``measure`` takes on the page; ``levels`` gives its steps, from 0.
    """

    title: str
    measure: Callable[..., dict[str, float]]
    sweeps: Mapping[str, str]
    levels: Mapping[str, tuple[float, ...]]


SHARES = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
PAGES = {
    "response": Page(
        title="Scores of embeddings",
        measure=lambda seed, **level: of_cells(cells(seed, **level)),
        sweeps={
            "batch_effect": "batch effect grows",
            "mislabelled": "labels get wrong",
            "collapsed": "types collapse into noise",
        },
        levels={
            "batch_effect": (0.0, 0.25, 0.5, 1.0, 1.5, 2.0),
            "mislabelled": SHARES,
            "collapsed": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        },
    ),
    "response_answers": Page(
        title="Scores of answers",
        measure=lambda seed, **level: of_answers(answers(seed, **level)),
        sweeps={
            "wrong_truth": "truths get wrong",
            "wrong_answer": "answers get wrong",
            "easy_answer": "easy answers",
        },
        levels=dict.fromkeys(("wrong_truth", "wrong_answer", "easy_answer"), SHARES),
    ),
}


def measure(seeds: Sequence[int], *, places: Sequence[int] | None = None) -> Values:
    """Measure every score at each level of each sweep, or at the levels in these ``places``."""
    values: Values = {}
    for page in PAGES.values():
        start = functools.cache(page.measure)  # level 0 is the same in all sweeps
        for sweep, levels in page.levels.items():
            chosen = levels if places is None else [levels[place] for place in places]
            rows = [
                [page.measure(seed, **{sweep: level}) if level else start(seed) for seed in seeds]
                for level in chosen
            ]
            values[sweep] = {
                metric: [[round(found[metric], 4) for found in row] for row in rows] for metric in rows[0][0]
            }
    return values


def read(folder: Path = DOCS) -> Values:
    """Return the values that the pages in a folder were made from."""
    return json.loads((folder / "response.json").read_text(encoding="utf-8"))


def pages(values: Values, *, text: str) -> dict[str, str]:
    """Return what the files should hold, by name, from the values and the prose in ``text``."""
    parts, files = docs.fact_parts(), {}
    for name, page in PAGES.items():
        responses = _responses(values, page.sweeps)
        parts[name] = docs.response_table(responses, page.sweeps)
        files[f"{name}.svg"] = draw(Picture(title=page.title, sweeps=page.sweeps, responses=responses))
    return {"metrics.md": docs.splice(text, parts, where="docs/metrics.md"), **files}


def _responses(values: Values, sweeps: Iterable[str]) -> dict[str, dict[str, Response]]:
    """Metric → sweep → response, in the order of the table of scores."""
    measured = {metric for sweep in sweeps for metric in values[sweep]}
    return {
        name: {sweep: respond(metric, values[sweep][name]) for sweep in sweeps}
        for name, metric in TABLE.items()
        if name in measured
    }


def out_of_step(old: Values, new: Values, *, places: Sequence[int] | None = None) -> Iterator[str]:
    """Say where values differ from those written; ``new`` may hold some levels and the first seeds."""
    for sweep, found in new.items():
        for metric in sorted(found.keys() ^ old.get(sweep, {}).keys()):
            yield f"{metric} under {sweep}: on one side alone"
        for metric in sorted(found.keys() & old.get(sweep, {}).keys()):
            rows = found[metric]
            for place, row in zip(range(len(rows)) if places is None else places, rows, strict=True):
                for seed, (value, written) in enumerate(zip(row, old[sweep][metric][place], strict=False)):
                    if abs(value - written) > TOLERANCE * max(1.0, abs(written)):
                        where = f"{metric} under {sweep}, level {place}, seed {seed}"
                        yield f"{where}: found {value}, written {written}"


def _check(folder: Path) -> list[str]:
    old, text = read(folder), (folder / "metrics.md").read_text(encoding="utf-8")
    found = list(out_of_step(old, measure(SEEDS)))
    stale = [
        name
        for name, wanted in pages(old, text=text).items()
        if not docs.same((folder / name).read_text(encoding="utf-8"), wanted, tolerance=TOLERANCE)
    ]
    return [*found, *(f"docs/{name} does not follow from docs/response.json" for name in stale)]


def _write(folder: Path) -> None:
    values, text = measure(SEEDS), (folder / "metrics.md").read_text(encoding="utf-8")
    made = pages(values, text=text)
    for name, content in {"response.json": _json(values), **made}.items():
        (folder / name).write_text(content, encoding="utf-8")


def _json(values: Values) -> str:
    """Return one line a metric, so that a change is seen in a diff."""
    sweeps = [
        f' "{sweep}": {{\n' + ",\n".join(f'  "{name}": {json.dumps(rows)}' for name, rows in found.items())
        for sweep, found in values.items()
    ]
    return "{\n" + "\n },\n".join(sweeps) + "\n }\n}\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write, or check; 1 where the check fails, 2 where the page lacks a paragraph."""
    parser = ArgumentParser(prog="python -m bench.response", description=__doc__)
    parser.add_argument("--check", action="store_true", help="measure anew and compare; write nothing")
    args = parser.parse_args(argv)
    try:
        if not args.check:
            _write(DOCS)
            return 0
        wrong = _check(DOCS)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if wrong:
        print(
            f"error: {len(wrong)} out of step, first: {wrong[0]}; run python -m bench.response",
            file=sys.stderr,
        )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
