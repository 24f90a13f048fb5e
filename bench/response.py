"""How does each score respond while things get worse? Writes the table, the pictures and their values.

``python -m bench.response`` measures and writes docs/response.json, docs/response.svg,
docs/response_answers.svg and the generated parts of docs/metrics.md; about a minute on one core.
``--check`` measures anew and exits 1 where these are out of step.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
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
class Sweep:
    """One thing that gets worse: its name on the page, its levels, and how values are got at a level."""

    title: str
    levels: tuple[float, ...]
    measure: Callable[[int, float], dict[str, float]]


SHARES = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
OF_CELLS = {
    "batch_effect": Sweep(
        title="batch effect grows",
        levels=(0.0, 0.25, 0.5, 1.0, 1.5, 2.0),
        measure=lambda seed, level: of_cells(cells(seed, batch_effect=level)),
    ),
    "mislabelled": Sweep(
        title="labels get wrong",
        levels=SHARES,
        measure=lambda seed, level: of_cells(cells(seed, mislabelled=level)),
    ),
    "collapsed": Sweep(
        title="types collapse into noise",
        levels=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        measure=lambda seed, level: of_cells(cells(seed, collapsed=level)),
    ),
}
OF_ANSWERS = {
    "wrong_truth": Sweep(
        title="truths get wrong",
        levels=SHARES,
        measure=lambda seed, level: of_answers(answers(seed, wrong_truth=level)),
    ),
    "wrong_answer": Sweep(
        title="answers get wrong",
        levels=SHARES,
        measure=lambda seed, level: of_answers(answers(seed, wrong_answer=level)),
    ),
    "easy_answer": Sweep(
        title="easy answers",
        levels=SHARES,
        measure=lambda seed, level: of_answers(answers(seed, easy_answer=level)),
    ),
}
PAGES = {
    "response": ("Scores of embeddings", OF_CELLS),
    "response_answers": ("Scores of answers", OF_ANSWERS),
}
SWEEPS = OF_CELLS | OF_ANSWERS


def measure(seeds: Sequence[int], *, only: Mapping[str, Sequence[int]] | None = None) -> Values:
    """Measure every score at each level of each sweep, or at those whose places ``only`` gives."""
    places = only or {name: range(len(sweep.levels)) for name, sweep in SWEEPS.items()}
    values: Values = {}
    for name, chosen in places.items():
        sweep = SWEEPS[name]
        rows = [[sweep.measure(seed, sweep.levels[place]) for seed in seeds] for place in chosen]
        values[name] = {
            metric: [[round(found[metric], 4) for found in row] for row in rows] for metric in rows[0][0]
        }
    return values


def read(folder: Path = DOCS) -> Values:
    """Return the values that the pages in a folder were made from."""
    return json.loads((folder / "response.json").read_text(encoding="utf-8"))


def pages(values: Values, *, text: str) -> dict[str, str]:
    """Return what the files should hold, by name, from the values and the prose in ``text``."""
    parts, files = docs.fact_parts(), {}
    for page, (title, sweeps) in PAGES.items():
        titles = {name: sweep.title for name, sweep in sweeps.items()}
        responses = _responses(values, sweeps)
        parts[page] = docs.response_table(responses, titles)
        files[f"{page}.svg"] = draw(Picture(title=title, sweeps=titles, responses=responses))
    return {"metrics.md": docs.splice(text, parts, where="docs/metrics.md"), **files}


def _responses(values: Values, sweeps: Mapping[str, Sweep]) -> dict[str, dict[str, Response]]:
    """Metric → sweep → response, in the order of the table of scores."""
    measured = {metric for sweep in sweeps for metric in values[sweep]}
    return {
        name: {s: respond(metric, values[s][name]) for s in sweeps if name in values[s]}
        for name, metric in TABLE.items()
        if name in measured
    }


def out_of_step(
    old: Values, new: Values, *, only: Mapping[str, Sequence[int]] | None = None
) -> Iterator[str]:
    """Say where values differ from those written; ``new`` may hold some levels and the first seeds."""
    for sweep, found in new.items():
        for metric in sorted(found.keys() ^ old.get(sweep, {}).keys()):
            yield f"{metric} under {sweep}: on one side alone"
        for metric in found.keys() & old.get(sweep, {}).keys():
            places = range(len(found[metric])) if only is None else only[sweep]
            for place, row in zip(places, found[metric], strict=True):
                for seed, value in enumerate(row):
                    written = old[sweep][metric][place][seed]
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
