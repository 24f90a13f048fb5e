"""What an adapter is: one way to become a contestant. Imports nothing heavy."""

from dataclasses import dataclass

from models.card import ModelCard


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """One way to become a contestant.

    ``target`` is ``module:attr``, loaded when it runs. ``fits`` says on whose counts it can be
    fitted. Its class is called with its ``options``; with ``truth=`` (a table, index = cell names)
    where it ``needs_truth``, with ``seed=`` where it is ``seeded`` (it draws without being fitted),
    and with ``workdir=`` for files that let a killed training go on where it is ``resumable``.
    ``saves``: it can be trained on a corpus, then ``save`` and ``load``. ``tells_card``: only its
    checkpoint knows its card in full. ``labelled``: it learns from labels of training cells and
    predicts (``models.labelled.Labelled``); with a corpus its class is called with ``checkpoint=``,
    the folder of what was trained there. ``embeds``: it has a place for each cell, before or after labels.
    """

    target: str
    about: str
    fits: tuple[str, ...]
    stochastic: bool
    options: type
    card: ModelCard | None
    control: bool = False
    needs_truth: bool = False
    saves: bool = False
    resumable: bool = False
    seeded: bool = False
    tells_card: bool = False
    labelled: bool = False
    embeds: bool = True
