"""One static HTML file that answers a study's question."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from board.across import FEWEST_STUDIES
from board.advice import FEWEST_STUDIES as FEWEST_ADVISED
from board.advice import RULES, advices
from board.answer import answer
from board.boxes import Boxes
from board.confusion import per_cent, shade
from board.costs import costs, pictures
from board.coverage import coverage
from board.evidence import Evidence
from board.explorer import EPSILON, WEIGHT, explorers
from board.facts import dataset_facts, meanings, profiles
from board.gain import FEWEST_TRAININGS, FEWEST_UNITS
from board.gainview import limits, tables
from board.learning import lessons, searches
from board.overview import glances
from board.rawview import grids
from board.results import Results, Run
from board.roughness import MOST_DRAWN, roughnesses
from board.scaling import scalings
from board.summary import summaries
from board.text import number, order, percent
from board.types import type_tables
from board.verdict import SHOWN_WORDS
from metrics.table import TABLE
from tasks.table import TASKS

HOME = Path(__file__).parent
QUESTION = "Does any pre-trained contestant beat {reference}, by how much, how surely, and at what price?"


def render(results: Results, evidence: Evidence, *, provenance: dict[str, Any], where: dict[str, Any]) -> str:
    """The whole page as text: a pure function of its arguments, its templates, style sheet and script."""
    sheets = grids(results, TABLE, {name: task.metrics for name, task in TASKS.items()})
    metrics = list(dict.fromkeys(head.name for sheet in sheets for head in sheet.heads))
    style, script = asset("style.css"), asset("app.js")
    seen = limits(results, evidence, TABLE)
    runs_on: dict[str, list[Run]] = {}
    for run in results.runs:
        runs_on.setdefault(run.dataset, []).append(run)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            study=results.study,
            boxes=Boxes(),
            tasks=TASKS,
            question=results.study.question or QUESTION.format(reference=results.study.reference),
            answer=answer(results, evidence),
            glances=glances(results, evidence),
            words=SHOWN_WORDS,
            anchors={model: f"contestant-{place}" for place, model in enumerate(results.study.models)},
            gains=tables(results, evidence, TABLE),
            simulated={entry.id for entry in results.datasets if entry.simulated},
            label_sources={
                entry.id: entry.report.get("label_source") or "not stated" for entry in results.datasets
            },
            lessons=lessons(results, evidence),
            searches=searches(results),
            scalings=scalings(results, evidence, TABLE),
            advised=advices(results, evidence, TABLE),
            roughnesses=roughnesses(results, evidence, TABLE),
            most_drawn=MOST_DRAWN,
            rules=RULES,
            fewest_advised=FEWEST_ADVISED,
            summaries=summaries(results, evidence, TABLE),
            across=evidence.across,
            sheets=sheets,
            types=type_tables(results, evidence),
            explorers=explorers(results, sheets),
            weight=WEIGHT,
            epsilon=EPSILON,
            coverage=coverage(results),
            costs=costs(results),
            pictures=pictures(results, evidence, TABLE),
            datasets=[
                (entry.id, dataset_facts(entry, runs_on.get(entry.id, ()), seen.get(entry.id, ())))
                for entry in results.datasets
            ],
            contestants=profiles(results),
            metrics=meanings(metrics, TABLE),
            family=evidence.family,
            level=percent(evidence.level),
            fewest_units=FEWEST_UNITS,
            fewest_trainings=FEWEST_TRAININGS,
            fewest_studies=FEWEST_STUDIES,
            provenance=provenance,
            machine=where,
            style=Markup(style),
            script=Markup(script),
            policy=f"default-src 'none'; style-src '{hash_source(style)}'; "
            f"script-src '{hash_source(script)}'; base-uri 'none'; form-action 'none'",
        )
    )


def environment() -> jinja2.Environment:
    """Our templates: every value is escaped, and a name that is not there is an error."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HOME / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(number=number, order=order, percent=percent, shade=shade, per_cent=per_cent)
    return found


def asset(name: str) -> str:
    """Text of a file that lies beside this one."""
    return (HOME / name).read_text(encoding="utf-8")


def hash_source(text: str) -> str:
    """Hash source of a Content-Security-Policy: nothing but our own style and script may act."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
