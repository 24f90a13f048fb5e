"""Gains over the reference on each task's primary metric, and the word that each one earns.

Everything is decided here and nowhere else: the page only shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from board.intervals import Component, Interval, combine, family_level, jackknife_component, mean_component
from board.results import Results, Run
from board.samples import Sample, primary_samples
from metrics.table import Metric

FEWEST_UNITS = 4
FEWEST_TRAININGS = 5  # below this a verdict is about these trainings, not about the recipe
SHOWN_WORDS = ("better", "worse", "equivalent", "undecided")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """How much a contestant exceeds the reference (up is better), what it rests on, and what was left out.

    ``value`` is null where either side has none; ``interval`` also where there are
    not two independent units. ``scope`` says what the interval speaks about.
    """

    value: float | None
    interval: Interval | None
    units: int
    scope: str = ""
    reason: str = ""


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


def gain(
    own: Sample,
    reference: Sample | None,
    *,
    sign: int,
    level: float,
    fixed: tuple[bool, bool],
    planned: int,
    kind: str,
) -> Gain:
    """How much ``own`` exceeds ``reference``, paired over the units that both have.

    Parameters
    ----------
    sign
        -1 for a metric of which less is better: a gain above 0 is always better.
    level
        Of the interval, family-wise correction included.
    fixed
        Whether own and reference are deterministic, so that training adds no variance.
    planned
        How many trainings of ``own`` were run, failed ones included.
    kind
        ``donor``, ``batch`` or ``none``: what an independent unit is.
    """
    if not own.ok:
        return Gain(value=None, interval=None, units=0, reason=own.reason)
    if reference is None or not reference.ok:
        why = reference.reason if reference else "it has no run here"
        return Gain(value=None, interval=None, units=0, reason=f"the reference has no value ({why})")
    independent = kind != "none"
    paired = _Paired.of(own, reference, sign=sign)
    if paired is None:
        return Gain(value=None, interval=None, units=0, reason="no unit has a value on both sides")
    units = len(paired.parts) if independent else 0
    scope, seeded = _scope(paired, fixed=fixed, planned=planned)
    blank = Gain(value=paired.value, interval=None, units=units, scope=scope, reason=paired.left_out)
    if not independent:
        return replace(blank, reason="this data set has no independent units")
    if units < 2:
        return blank
    if not paired.per_unit and paired.left_out:
        return replace(blank, reason=f"the jackknife is incomplete: {paired.left_out}")
    of_units = mean_component(paired.parts) if paired.per_unit else jackknife_component(paired.parts)
    interval = combine(paired.value, [of_units, *seeded], level=level, units=units)
    return replace(blank, interval=interval)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Paired:
    """Differences (U,) on common units, and each side's values (S,) by training, all with up as better."""

    value: float
    parts: np.ndarray
    own: np.ndarray
    reference: np.ndarray
    per_unit: bool
    left_out: str

    @classmethod
    def of(cls, own: Sample, reference: Sample, *, sign: int) -> "_Paired | None":
        units = sorted(set(own.units) | set(reference.units))
        mine, theirs = _aligned(own, units), _aligned(reference, units)
        common = np.isfinite(mine).all(axis=0) & np.isfinite(theirs).all(axis=0)
        missing = [unit for unit, both in zip(units, common, strict=True) if not both]
        left_out = f"no value on both sides for {', '.join(missing)}" if missing else ""
        if own.per_unit and not common.any():
            return None
        mine, theirs = sign * mine[:, common], sign * theirs[:, common]
        if own.per_unit:
            by_training = mine.mean(axis=1), theirs.mean(axis=1)
        else:
            by_training = sign * own.whole[own.trained], sign * reference.whole[reference.trained]
        return cls(
            value=float(by_training[0].mean() - by_training[1].mean()),
            parts=mine.mean(axis=0) - theirs.mean(axis=0),
            own=by_training[0],
            reference=by_training[1],
            per_unit=own.per_unit,
            left_out=left_out,
        )


def _aligned(sample: Sample, units: list[str]) -> np.ndarray:
    """``parts`` of the trainings that have a value, its columns put in the order of ``units``."""
    out = np.full((len(sample.trained), len(units)), np.nan)
    for column, unit in enumerate(sample.units):
        out[:, units.index(unit)] = sample.parts[sample.trained, column]
    return out


def _scope(paired: _Paired, *, fixed: tuple[bool, bool], planned: int) -> tuple[str, list[Component]]:
    """What the interval speaks about, and the variances that training adds to it."""
    sides = [side for side, still in zip((paired.own, paired.reference), fixed, strict=True) if not still]
    count = len(paired.own)
    of = f" of {planned}" if planned > count else ""
    if not sides:
        return "Run once (deterministic).", []
    if min(len(side) for side in sides) >= FEWEST_TRAININGS:
        return f"About the recipe ({count}{of} trainings).", [mean_component(side) for side in sides]
    if fixed[0]:
        return "About these trainings of the reference.", []
    return ("About this training." if count == 1 and not of else f"About these {count}{of} trainings."), []


def bar(model: str, *, reference: str, metric: Metric, runs: list[Run]) -> tuple[str, str]:
    """A word and a reason where no verdict may be given whatever the values are; else two empty texts."""
    space = metric.reference_space
    if space and space in (model, reference):
        reason = f"self-referential: {metric.name} measures closeness to the space of {space}"
        return "no verdict", reason
    for run in runs:
        if not run.from_elsewhere:
            continue
        exposure = (run.overlap or {}).get("exposure")
        named = run.card.get("pretrained_on")
        if exposure not in (None, "none") or run.dataset in (named or ()):
            why = (run.overlap or {}).get("reason") or "its card names this data set"
            shown = str(exposure or "pretrained_on").replace("_", " ")
            return "in corpus: no zero-shot verdict", f"{shown}: {why}"
        if exposure is None and named is None:
            return "exposure unknown: no zero-shot verdict", "what it was trained on is not disclosed"
    return "", ""


def judge(found: Gain, *, margin: float, barred: tuple[str, str], control: bool) -> tuple[str, str]:
    """The word a gain earns, and the reason where it earns none."""
    if control:
        return "control", found.reason
    if found.value is None:
        return "no verdict", found.reason
    if barred[0]:
        return barred
    if found.units < FEWEST_UNITS:
        needs = f"{found.units} of the {FEWEST_UNITS} units that a verdict needs"
        known = [found.reason] if found.reason else []
        return "too few units", "; ".join([needs, *known] if found.units or not known else known)
    if found.interval is None:
        return "no verdict", found.reason
    return word(found.interval, margin=margin), _remark(found, margin=margin)


def word(interval: Interval, *, margin: float) -> str:
    """``better``, ``worse``, ``equivalent`` (wholly inside ± margin) or ``undecided``."""
    if interval.low > 0:
        return "better"
    if interval.high < 0:
        return "worse"
    return "equivalent" if -margin < interval.low and interval.high < margin else "undecided"


def _remark(found: Gain, *, margin: float) -> str:
    inside = -margin < found.interval.low and found.interval.high < margin
    decided = found.interval.low > 0 or found.interval.high < 0
    small = f"but by less than the margin of {margin:g}" if inside and decided else ""
    return "; ".join(filter(None, [small, found.reason]))


def smallest_detectable(comparisons: list[Comparison]) -> float | None:
    """Median half-width over contestants: the gain that a typical one would have needed."""
    widths = [c.gain.interval.half_width for c in comparisons if c.gain.interval and not c.control]
    return float(np.median(widths)) if widths else None
