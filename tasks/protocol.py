"""How labels are learned from: what is held out, how many labels are told, which types are hidden."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from contract.errors import UserError

SINGLE_CELLS = "cells"
"""As ``held_out``: cells are split at random, whoever they belong to. Asked for by name only, and marked."""

Shots = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One protocol of reference mapping.

    ``held_out`` names the column whose groups are on one side only; ``folds`` is how many parts
    they are dealt to (null: one group a fold). ``train`` names groups that alone are learned from:
    one fold, all other groups are tested on. ``label`` is the column to be predicted. ``shots``: labels
    told of each type, beside the question where all are; each is drawn ``draws`` times. ``unseen``
    are types that are hidden in turn, or ``all``.
    """

    held_out: str = "unit"
    folds: int | None = None
    train: tuple[str, ...] = ()
    label: Literal["label", "condition"] = "label"
    shots: Shots = ()
    draws: int = 3
    unseen: tuple[str, ...] | Literal["all"] = ()

    @property
    def name(self) -> str:
        """As the column ``split`` of a score row holds it."""
        if self.held_out == SINGLE_CELLS:
            return f"{self.folds} folds of single cells at random"
        if self.train:
            return f"{self.held_out}: trained on {', '.join(self.train)}"
        return f"{self.held_out}: {f'{self.folds} folds' if self.folds else 'one left out'}"

    def learned_from(self, units: int) -> int:
        """How many of a data set's ``units`` a fold learns from, at the least that can be said before it ran.

        Where named groups are trained on, that is taken to be half of them.
        """
        if self.train:
            return units // 2
        return units - -(-units // (self.folds or max(units, 1)))


def read_protocol(
    entry: Mapping[str, Any], own: Mapping[str, Any] | None = None, *, where: str = "protocol"
) -> Protocol:
    """A study's protocol with what one data set has of its own; both are checked by the schema before.

    Raises
    ------
    UserError
        If single cells are split and the number of folds is not said, or both ``folds`` and ``train`` are.
    """
    given = {**entry, **(own or {})}
    for field in ("train", "shots", "unseen"):
        if isinstance(given.get(field), list):
            given[field] = tuple(given[field])
    protocol = Protocol(**given)
    if protocol.train and protocol.folds:
        raise UserError(where, found="both 'train' and 'folds'", expected="one of them")
    if protocol.held_out == SINGLE_CELLS and not protocol.folds:
        raise UserError(where, found="single cells, but no 'folds'", expected="'folds: …', 2 or more")
    return replace(protocol, shots=tuple(sorted(set(protocol.shots))))
