"""Gains over the reference on each task's primary metric, and the word that each one earns.

Everything is decided here and nowhere else: the page only shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from board.across import Across, across, lines
from board.family import Entry, Family, Key, entries, learned_from
from board.gain import Gain, gain
from board.ranks import Ranks, ranks
from board.results import Results
from board.rivals import Rivals, against_all
from board.samples import Sample, primary_samples
from board.verdict import SHOWN_WORDS, judge
from board.whitened import Whitened
from metrics.table import Metric

POWER = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One contestant beside the reference: one task, data set and access.

    ``in_family`` says whether it shares the error rate; ``rivals`` is null for a simple
    baseline, a control, and where the study names no baseline but the reference;
    ``whitened`` where the embeddings were not scored whitened, too, or there is no verdict.
    """

    task: str
    dataset: str
    access: str
    model: str
    control: bool
    pretrained: bool
    simulated: bool
    label_source: str
    in_family: bool
    value: float | None
    gain: Gain
    word: str
    reason: str
    rivals: Rivals | None
    whitened: Whitened | None = None

    @property
    def decided(self) -> bool:
        """Whether it bears a verdict at all, ``undecided`` included."""
        return self.word in SHOWN_WORDS

    @property
    def geometry_dependent(self) -> bool:
        """Whether its verdict changes when the embeddings are whitened."""
        return self.whitened is not None and self.whitened.turns(self.word)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All comparisons of a study.

    ``real`` is the family of the verdicts on real data, those across data sets included;
    ``simulated`` that of the self-tests, which say nothing about real data and are told apart.
    """

    comparisons: tuple[Comparison, ...]
    across: tuple[Across, ...]
    references: Mapping[Key, Sample | None]
    samples: Mapping[Key, Mapping[str, Sample]]
    ranks: Mapping[Key, Ranks]
    real: Family
    simulated: Family

    @property
    def family(self) -> int:
        """Size of the family of real data."""
        return self.real.size

    @property
    def level(self) -> float:
        """Level of each interval on real data."""
        return self.real.level

    def family_of(self, *, simulated: bool) -> Family:
        """The family whose error rate a comparison shares."""
        return self.simulated if simulated else self.real


def weigh(results: Results, metrics: Mapping[str, Metric]) -> Evidence:
    """Compare every contestant of a study with its reference on the declared primary metrics.

    Who is in the family, and so how wide every interval is, is settled by what is known
    before anything is scored (``board.family``); no outcome and no filter changes it.
    """
    study = results.study
    asked = entries(results, metrics)
    many = lines(asked, {entry.id: entry for entry in results.datasets})
    testable = [entry for entry in asked if entry.testable]
    simulated = Family(size=sum(entry.simulated for entry in testable), together=study.level)
    real = Family(size=len(testable) - simulated.size + len(many), together=study.level)
    groups = primary_samples(results.rows, study.primary)
    second = primary_samples(results.rows, study.primary, geometry="whitened")
    comparisons = tuple(
        _compare(
            results,
            metrics[study.primary[entry.task].metric],
            entry=entry,
            samples=groups[entry.key],
            second=second.get(entry.key, {}),
            level=(simulated if entry.simulated else real).level,
        )
        for entry in asked
        if entry.key in groups and (entry.model in groups[entry.key] or not entry.control)
    )
    gains = {((c.task, c.dataset, c.access), c.model): c.gain for c in comparisons}
    return Evidence(
        comparisons=comparisons,
        across=tuple(
            across(line, studies, gains, primary=study.primary[line[0]], level=real.level)
            for line, studies in many.items()
        ),
        references={key: samples.get(study.reference) for key, samples in groups.items()},
        samples=groups,
        ranks={
            key: _ranks(results, metrics[study.primary[key[0]].metric], key=key, samples=samples)
            for key, samples in groups.items()
        },
        real=real,
        simulated=simulated,
    )


def _compare(
    results: Results,
    metric: Metric,
    *,
    entry: Entry,
    samples: Mapping[str, Sample],
    second: Mapping[str, Sample],
    level: float,
) -> Comparison:
    study = results.study
    margin = study.primary[entry.task].margin
    asked = [study.reference, *(name for name in study.baselines if name != study.reference)]
    rivals = [] if entry.control or entry.model in asked else [name for name in asked if name in samples]
    gains = {
        name: _gain(results, metric, entry=entry, rival=name, samples=samples, level=level)
        for name in dict.fromkeys([study.reference, *rivals])
    }
    found = gains[study.reference]
    word, reason = judge(found, margin=margin, barred=entry.barred, control=entry.control)
    if word in SHOWN_WORDS and not entry.testable:
        word, reason = "too few units", f"by the split, {entry.units} of the units that a verdict needs"
    if entry.model not in samples and not entry.control:
        word, reason = "not run", "the study has no score of it here"
    runs = results.runs_of(entry.model)
    return Comparison(
        task=entry.task,
        dataset=entry.dataset,
        access=entry.access,
        model=entry.model,
        control=entry.control,
        pretrained=any(run.pretrained for run in runs),
        simulated=entry.simulated,
        label_source=entry.label_source,
        in_family=entry.testable,
        value=samples[entry.model].value if entry.model in samples else None,
        gain=found,
        word=word,
        reason=reason,
        rivals=against_all(gains, word=word, not_applicable=_not_applicable(results, entry, gains))
        if len(rivals) > 1
        else None,
        whitened=_whitened(results, metric, entry=entry, samples=second, level=level)
        if word in SHOWN_WORDS
        else None,
    )


def _whitened(
    results: Results, metric: Metric, *, entry: Entry, samples: Mapping[str, Sample], level: float
) -> Whitened | None:
    """The same comparison on whitened embeddings; null where they were not scored."""
    if entry.model not in samples:
        return None
    rival = results.study.reference
    found = _gain(results, metric, entry=entry, rival=rival, samples=samples, level=level)
    margin = results.study.primary[entry.task].margin
    word, _ = judge(found, margin=margin, barred=entry.barred, control=entry.control)
    return Whitened(gain=found, word=word)


def _gain(
    results: Results,
    metric: Metric,
    *,
    entry: Entry,
    rival: str,
    samples: Mapping[str, Sample],
    level: float,
) -> Gain:
    own = samples.get(entry.model)
    if own is None:
        return Gain(value=None, interval=None, units=0, reason="not run")
    sides = [
        results.runs_of(name, dataset=entry.dataset, access=entry.access, task=entry.task)
        for name in (entry.model, rival)
    ]
    many = len(results.study.seeds) > 1
    data = results.dataset(entry.dataset)
    fits = {run.fit for runs in sides for run in runs}
    return gain(
        own,
        samples.get(rival),
        sign=1 if metric.higher_is_better else -1,
        level=level,
        fixed=(many and len(sides[0]) == 1, many and len(sides[1]) == 1),
        planned=len(sides[0]),
        kind=data.units,
        learned_from=learned_from(
            data,
            task=entry.task,
            access=entry.access,
            fits=fits,
            protocol=results.study.protocols.get(data.id),
        ),
    )


def _ranks(results: Results, metric: Metric, *, key: Key, samples: Mapping[str, Sample]) -> Ranks:
    """Among all but controls; fitted counts as soon as one of them was fitted."""
    task, dataset, access = key
    entrants = {name: found for name, found in samples.items() if not results.is_control(name)}
    runs = [
        run for name in entrants for run in results.runs_of(name, dataset=dataset, access=access, task=task)
    ]
    data = results.dataset(dataset)
    return ranks(
        entrants,
        level=results.study.level,
        higher_is_better=metric.higher_is_better,
        kind=data.units,
        learned_from=learned_from(
            data,
            task=task,
            access=access,
            fits={run.fit for run in runs},
            protocol=results.study.protocols.get(data.id),
        ),
    )


def _not_applicable(results: Results, entry: Entry, names: Mapping[str, Gain]) -> frozenset[str]:
    """Baselines none of whose runs applies to this data set."""
    runs = {
        name: results.runs_of(name, dataset=entry.dataset, access=entry.access, task=entry.task)
        for name in names
    }
    return frozenset(
        name
        for name, own in runs.items()
        if own and all(run.outcome["status"] == "not_applicable" for run in own)
    )


def smallest_detectable(comparisons: Sequence[Comparison]) -> float | None:
    """The true gain that a typical contestant would need to be called better four times in five.

    Median over contestants that have an interval; at its half width alone, it is called better every
    other time.
    """
    intervals = [c.gain.interval for c in comparisons if c.gain.interval and not c.control]
    return float(np.median([one.detectable(power=POWER) for one in intervals])) if intervals else None
