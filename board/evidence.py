"""Gains over the reference on each task's primary metric, and the word that each one earns.

Everything is decided here and nowhere else: the page only shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from board.gain import Gain, gain
from board.intervals import family_level
from board.results import Results
from board.samples import Sample, primary_samples
from board.verdict import SHOWN_WORDS, bar, judge
from metrics.table import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One contestant beside the reference: one task, data set and access."""

    task: str
    dataset: str
    access: str
    model: str
    control: bool
    pretrained: bool
    simulated: bool
    value: float | None
    gain: Gain
    word: str
    reason: str

    @property
    def decided(self) -> bool:
        """Whether it bears a verdict at all, ``undecided`` included."""
        return self.word in SHOWN_WORDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All comparisons of a study; ``family`` of them share one error rate, each shown at ``level``."""

    comparisons: tuple[Comparison, ...]
    references: Mapping[tuple[str, str, str], Sample | None]
    family: int
    level: float


def weigh(results: Results, metrics: Mapping[str, Metric]) -> Evidence:
    """Compare every contestant of a study with its reference on the declared primary metrics.

    The family is every (task, data set, access, contestant) that has rows, controls
    and the reference apart: it does not depend on how anything turned out.
    """
    study = results.study
    groups = primary_samples(results.rows, study.primary)
    controls = {model for model in study.models if results.is_control(model)}
    family = sum(len(set(samples) - controls - {study.reference}) for samples in groups.values())
    level = family_level(study.level, size=family)
    comparisons = tuple(
        _compare(
            results, metrics[study.primary[key[0]].metric], key=key, samples=samples, model=model, level=level
        )
        for key, samples in groups.items()
        for model in study.models
        if model in samples and model != study.reference
    )
    references = {key: samples.get(study.reference) for key, samples in groups.items()}
    return Evidence(comparisons=comparisons, references=references, family=family, level=level)


def _compare(
    results: Results,
    metric: Metric,
    *,
    key: tuple[str, str, str],
    samples: Mapping[str, Sample],
    model: str,
    level: float,
) -> Comparison:
    task, dataset, access = key
    study = results.study
    runs = results.runs_of(model, dataset=dataset, access=access)
    rivals = results.runs_of(study.reference, dataset=dataset, access=access)
    many = len(study.seeds) > 1
    found = gain(
        samples[model],
        samples.get(study.reference),
        sign=1 if metric.higher_is_better else -1,
        level=level,
        fixed=(many and len(runs) == 1, many and len(rivals) == 1),
        planned=len(runs),
        kind=results.dataset(dataset).units,
    )
    control = results.is_control(model)
    barred = bar(model, reference=study.reference, metric=metric, runs=runs)
    word, reason = judge(found, margin=study.primary[task].margin, barred=barred, control=control)
    return Comparison(
        task=task,
        dataset=dataset,
        access=access,
        model=model,
        control=control,
        pretrained=any(run.pretrained for run in runs),
        simulated=results.dataset(dataset).simulated,
        value=samples[model].value,
        gain=found,
        word=word,
        reason=reason,
    )


def smallest_detectable(comparisons: list[Comparison]) -> float | None:
    """Median half-width over contestants: the gain that a typical one would have needed."""
    widths = [c.gain.interval.half_width for c in comparisons if c.gain.interval and not c.control]
    return float(np.median(widths)) if widths else None
