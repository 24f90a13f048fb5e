"""The answer in words: computed from the verdicts, and honest where there are none."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from board.across import Across
from board.costs import spent
from board.evidence import Comparison, Evidence
from board.results import Results
from board.text import count, listing, number, seconds
from board.verdict import SHOWN_WORDS

MOST = 4
"""Prices that are told in a sentence; the others stand in the tables of cost."""
MOST_NAMES = 8
"""Contestants that a sentence names, and studies' verdicts that are told; tables below have them all."""


def answer(results: Results, evidence: Evidence) -> list[str]:
    """Sentences: who is asked about, against all baselines, over studies; others, self-tests, lost sets."""
    reference = results.study.reference
    usable = {entry.id for entry in results.datasets if entry.ok}
    entrants = [c for c in evidence.comparisons if not c.control and c.dataset in usable]
    real = [c for c in entrants if not c.simulated]
    simulated = [c for c in entrants if c.simulated]
    who, asked = _asked(results, real)
    sentences = [
        _first(who, asked, reference),
        _by_label_source(asked),
        _against_all(asked),
        _turning(asked),
        *_over_all_studies(evidence.across, reference),
        _price(results, asked),
        _others([c for c in real if c.model not in {one.model for one in asked}], reference),
        _self_tests(simulated, reference),
        *_failed(results),
    ]
    return [sentence for sentence in sentences if sentence]


def _asked(results: Results, real: Sequence[Comparison]) -> tuple[str, list[Comparison]]:
    """Whom the answer is about: the pre-trained; without any, whoever is not among the named baselines."""
    pretrained = [c for c in real if c.pretrained]
    if pretrained or len(results.study.baselines) < 2:
        return "Pre-trained contestants", pretrained
    return "Beside the baselines", [c for c in real if c.model not in results.study.baselines]


def _first(who: str, found: Sequence[Comparison], reference: str) -> str:
    if not found:
        return "No pre-trained contestant was measured on real data."
    names = listing(sorted({c.model for c in found}), most=MOST_NAMES)
    asked = f"{who} ({names}) on real data, {count(len(found), 'comparison')}: "
    won = [c for c in found if c.word == "better"]
    if won:
        places = _places(won, among=found)
        return f"{asked}{len(won)} better than {reference} ({places}); {_tally(found, but='better')}."
    if any(c.decided for c in found):
        return f"{asked}none was shown to be better than {reference}; {_tally(found)}."
    return f"{asked}whether any of them beats {reference} cannot be said from this study; {_tally(found)}."


def _by_label_source(found: Sequence[Comparison]) -> str:
    """Labels made by clustering favour what resembles the clustering, so verdicts stand apart by them."""
    sources = sorted({c.label_source for c in found})
    if len(sources) < 2:
        return ""
    told = [
        f"{source.replace('_', ' ')}: {_tally([c for c in found if c.label_source == source])}"
        for source in sources
    ]
    return f"By where the labels come from – {'; '.join(told)}."


def _against_all(found: Sequence[Comparison]) -> str:
    """Whether anyone beats not just the reference but the best of the simple baselines."""
    asked = [c for c in found if c.rivals]
    if not asked:
        return ""
    names = listing(sorted({name for c in asked for name in c.rivals.baselines}))
    won = [c for c in asked if c.rivals.word == "beats every baseline"]
    if not won:
        who = listing(sorted({c.model for c in asked}), most=MOST_NAMES)
        if all(c.rivals.word == "no verdict" for c in asked):
            return f"Whether {who} can beat every simple baseline ({names}) cannot be said from this study."
        return f"Not shown to beat every simple baseline ({names}) anywhere: {who}."
    told = _clauses(
        [
            f"{_where(own, among=asked)}, by at least {number(min(c.rivals.low for c in own))}"
            for own in _by_model(won)
        ]
    )
    return f"Better than every simple baseline ({names}): {told}."


def _turning(found: Sequence[Comparison]) -> str:
    """Wins and losses that whitening takes away are about the weights of directions, too."""
    turned = [c for c in found if c.geometry_dependent and c.word in ("better", "worse")]
    if not turned:
        return ""
    decided = [c for c in found if c.word in ("better", "worse")]
    places = _clauses([f"{_where(own, among=decided)} ({_tally(own)})" for own in _by_model(turned)])
    return f"Geometry-dependent, another word when embeddings are whitened: {places}."


def _over_all_studies(across: Sequence[Across], reference: str) -> list[str]:
    """A sentence each; of many, those that were decided come first, and the rest is counted."""
    order = {word: place for place, word in enumerate(SHOWN_WORDS)}
    shown = list(across)
    if len(shown) > MOST_NAMES:
        shown.sort(key=lambda line: order.get(line.word, len(order)))
    sentences = [_over_studies(line, reference) for line in shown[:MOST_NAMES]]
    rest = Counter(line.word for line in shown[MOST_NAMES:])
    counted = ", ".join(f"{number_of} {_aside(word)}" for word, number_of in sorted(rest.items()))
    return sentences + ([f"Over studies, of {rest.total()} others: {counted}."] if rest else [])


def _over_studies(line: Across, reference: str) -> str:
    asked = (
        f"{line.model} at {line.task}, {line.access}, over {count(len(line.gains), 'study', 'studies')} "
        f"with labels from {line.label_source.replace('_', ' ')}: {line.word}"
    )
    if line.interval is None:
        return f"{asked} ({line.reason})."
    ends = f"{number(line.interval.low, sign=True)} to {number(line.interval.high, sign=True)}"
    return f"{asked}; median gain over {reference} {number(line.value, sign=True)}, {ends}."


def _price(results: Results, found: Sequence[Comparison]) -> str:
    """What the pre-trained cost against the reference: those that won anywhere, or else all of them."""
    asked = [c for c in found if c.word == "better"] or found
    told = [text for own in _by_model(asked) if (text := _cost(results, own))]
    rest = f" and {len(told) - MOST} more (see cost)" if len(told) > MOST else ""
    return f"Price: {'; '.join(told[:MOST])}{rest}." if told else ""


def _cost(results: Results, own: Sequence[Comparison]) -> str:
    """Time to fit and embed against the reference's, the median over places, and pre-training apart."""
    reference, ratios = results.study.reference, []
    for c in {(c.dataset, c.access): c for c in own}.values():
        costs = [
            spent(results.runs_of(name, dataset=c.dataset, access=c.access)) for name in (c.model, reference)
        ]
        ratios += [costs[0] / costs[1]] if costs[0] is not None and costs[1] else []
    if not ratios:
        return ""
    before = [run.seconds("pretrain") for run in results.runs_of(own[0].model)]
    known = [time for time in before if time is not None]
    times = f"{median(ratios):.2g}"
    many = "" if times == "1" else f"{times} times "
    told = f"{own[0].model} takes {many}as long as {reference} to fit and embed"
    return f"{told}, after {seconds(max(known))} of pre-training" if known else told


def _others(found: Sequence[Comparison], reference: str) -> str:
    if not found:
        return ""
    asked = f"All other contestants on real data, {count(len(found), 'comparison')}: "
    won = [c for c in found if c.word == "better"]
    if won:
        places = _places(won, among=found)
        return f"{asked}{len(won)} better than {reference} ({places}); {_tally(found, but='better')}."
    return f"{asked}{_tally(found)}."


def _self_tests(found: Sequence[Comparison], reference: str) -> str:
    if not found:
        return ""
    asked = (
        f"Self-test on simulated data, {count(len(found), 'comparison')} with {reference}: {_tally(found)}"
    )
    return f"{asked}. Simulated data test this software; they say nothing about biology."


def _failed(results: Results) -> list[str]:
    return [
        f"{entry.id} {entry.outcome['status'].replace('_', ' ')} at {entry.outcome['stage']}: "
        f"{entry.outcome['reason'].rstrip('.')}. Nothing was measured on it."
        for entry in results.datasets
        if not entry.ok
    ]


def _places(found: Sequence[Comparison], *, among: Sequence[Comparison]) -> str:
    """Who won where and by how much, one clause a contestant."""
    return _clauses(
        [f"{_where(own, among=among)}, by {_span([c.gain.value for c in own])}" for own in _by_model(found)]
    )


def _clauses(told: Sequence[str]) -> str:
    """As many as one reads in a sentence, and how many more there are."""
    rest = f"; and {len(told) - MOST_NAMES} more contestants" if len(told) > MOST_NAMES else ""
    return "; ".join(told[:MOST_NAMES]) + rest


def _by_model(found: Sequence[Comparison]) -> list[list[Comparison]]:
    return [[c for c in found if c.model == model] for model in dict.fromkeys(c.model for c in found)]


def _where(own: Sequence[Comparison], *, among: Sequence[Comparison]) -> str:
    """One contestant and the place; of several places only how many of those where it could have been."""
    model = own[0].model
    if len(own) == 1:
        return f"{model} at {own[0].task} on {own[0].dataset}, {own[0].access}"
    return f"{model} in {len(own)} of {sum(c.model == model for c in among)}"


def _span(values: Sequence[float]) -> str:
    low, high = (number(end, sign=True) for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _tally(found: Sequence[Comparison], *, but: str = "") -> str:
    counts = Counter(c.word for c in found if c.word != but)
    order = [word for word in SHOWN_WORDS if word in counts]
    order += sorted(set(counts) - set(order))
    return ", ".join(f"{counts[word]} {_aside(word)}" for word in order) or "nothing else was compared"


def _aside(word: str) -> str:
    """A word inside a sentence that has a colon of its own."""
    head, _, rest = word.partition(": ")
    return f"{head} ({rest})" if rest else head
