"""Folds of a protocol, and the questions that are asked in each: pure functions of the truth.

Whole groups are on one side, and so are units: a training cell of a donor that is tested on
is left out, whatever was held out. Only where single cells are asked for are donors shared.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from contract.errors import NotApplicable
from tasks.protocol import SINGLE_CELLS, Protocol

SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fold:
    """Masks (N,) of training and test cells; ``n_left_out`` training cells were of units on the test side."""

    name: str
    train: np.ndarray
    test: np.ndarray
    group: np.ndarray
    n_left_out: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a question is: labels told of each type (null: all), which draw of them, which type is hidden."""

    shots: int | None = None
    draw: int | None = None
    hidden: str | None = None


def make_folds(protocol: Protocol, *, group: np.ndarray, unit: np.ndarray, label: np.ndarray) -> list[Fold]:
    """Deal N cells to folds; all arrays are text (N,), ``None`` where unknown.

    Cells of unknown groups are on neither side. Larger groups are dealt first, each to the
    part with the fewest cells.

    Raises
    ------
    NotApplicable
        If there are fewer than two groups, or no fold has a label on both sides.
    """
    if protocol.held_out == SINGLE_CELLS:
        group = np.array([f"cell-{i}" for i in range(len(label))], dtype=object)
    names, sizes = np.unique(group[_known(group)].astype(str), return_counts=True)
    if len(names) < 2:
        raise NotApplicable(f"{len(names)} group(s) of {protocol.held_out}: nothing can be held out")
    sides = list(_test_groups(protocol, names, sizes))
    folds = [
        _fold(str(k), test, group=group, unit=unit, shared=protocol.held_out == SINGLE_CELLS)
        for k, test in enumerate(sides)
    ]
    usable = [f for f in folds if _known(label[f.train]).any() and _known(label[f.test]).any()]
    if not usable:
        left_out = sum(fold.n_left_out for fold in folds)
        raise NotApplicable(
            f"no fold has labelled cells on both sides; {left_out} training cells were left out, "
            "because their donor is on the test side, too"
        )
    return usable


def _test_groups(protocol: Protocol, names: np.ndarray, sizes: np.ndarray) -> Iterator[set[str]]:
    if protocol.train:
        missing = sorted(set(protocol.train) - set(names))
        if missing:
            raise NotApplicable(f"no cells of {protocol.held_out} {missing[0]!r}, which is to be trained on")
        yield set(names) - set(protocol.train)
        return
    n_folds = min(protocol.folds or len(names), len(names))
    if protocol.held_out == SINGLE_CELLS:
        names = np.random.default_rng(SEED).permutation(names)
    parts: list[set[str]] = [set() for _ in range(n_folds)]
    filled = np.zeros(n_folds, dtype=np.int64)
    for place in np.argsort(-sizes, kind="stable"):
        part = int(np.argmin(filled))
        parts[part].add(str(names[place]))
        filled[part] += sizes[place]
    yield from parts


def _fold(name: str, groups: set[str], *, group: np.ndarray, unit: np.ndarray, shared: bool) -> Fold:
    known = _known(group)
    test = known & np.isin(group.astype(str), sorted(groups))
    train = known & ~test
    if shared:
        return Fold(name=name, train=train, test=test, group=group, n_left_out=0)
    units = sorted({str(u) for u in unit[test] if u is not None})
    leaks = train & _known(unit) & np.isin(unit.astype(str), units)
    return Fold(name=name, train=train & ~leaks, test=test, group=group, n_left_out=int(leaks.sum()))


def questions(protocol: Protocol, fold: Fold, *, label: np.ndarray) -> dict[str, tuple[Asked, np.ndarray]]:
    """Name → (what it is, (N,) small integers: 0 not given, 1 counts given, 2 label told as well).

    Draws of more labels hold those of fewer, so that a learning curve is not torn by other
    cells. A type with fewer cells than are asked for tells all it has. Where a type is hidden, cells
    without a label are left out, too: they could be of it.
    """
    told = fold.train & _known(label)
    found = {"all": (Asked(), fold.train.astype(np.int8) + told)}
    for draw in range(protocol.draws if protocol.shots else 0):
        order = _order(label, told, key=f"{fold.name}/{draw}")
        for shots in protocol.shots:
            few = fold.train.astype(np.int8)
            few[[row for rows in order.values() for row in rows[:shots]]] = 2
            found[f"shots-{shots}-draw-{draw}"] = (Asked(shots=shots, draw=draw), few)
    for name in hidden_types(protocol, label):
        rest = told & (label != name)
        if len(set(label[rest])) > 1:
            found[f"without-{len(found)}"] = (Asked(hidden=name), 2 * rest.astype(np.int8))
    return found


def hidden_types(protocol: Protocol, label: np.ndarray) -> list[str]:
    """The types that a protocol hides in turn; those named that are not there are not applicable."""
    there = sorted({str(name) for name in label if name is not None})
    if protocol.unseen == "all":
        return there
    missing = sorted(set(protocol.unseen) - set(there))
    if missing:
        raise NotApplicable(f"no cell of type {missing[0]!r}, which is to be hidden")
    return list(protocol.unseen)


def _order(label: np.ndarray, told: np.ndarray, *, key: str) -> dict[str, np.ndarray]:
    """Rows of each type in a random order that depends on the fold, the draw and the type alone."""
    return {
        str(name): np.random.default_rng([SEED, zlib.crc32(f"{key}/{name}".encode())]).permutation(
            np.flatnonzero(told & (label == name))
        )
        for name in sorted(set(label[told]))
    }


def _known(values: np.ndarray) -> np.ndarray:
    return np.array([value is not None for value in values], dtype=bool)
