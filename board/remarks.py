"""What is said beside the values that verdicts rest on: samples, approximate neighbours, cells left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from board.family import Key
from board.results import Results
from board.samples import primary_rows
from board.text import ranged


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """Of one table's values: what holds of all that have a remark, or else each contestant's own."""

    common: str = ""
    own: Mapping[str, str] = field(default_factory=dict)

    def of(self, model: str) -> str:
        """What is said of this contestant's value alone; empty if nothing."""
        return f"value: {self.own[model]}" if model in self.own else ""


def remarks(results: Results) -> dict[Key, Said]:
    """Where → what is said of the primary values over all cells, those of several trainings in one."""
    found: dict[Key, dict[str, list[str]]] = {}
    columns = ["dataset", "access", "model", "reason"]
    for task, rule in results.study.primary.items():
        rows = primary_rows(results.rows, task=task, primary=rule)
        rows = rows[(rows["unit"] == "set") & (rows["status"] == "ok") & (rows["reason"].fillna("") != "")]
        for dataset, access, model, reason in rows[columns].itertuples(index=False, name=None):
            found.setdefault((task, dataset, access), {}).setdefault(model, []).append(reason)
    return {key: _said({model: ranged(texts) for model, texts in own.items()}) for key, own in found.items()}


def _said(own: Mapping[str, str]) -> Said:
    texts = sorted(set(own.values()))
    return Said(common=texts[0]) if len(texts) == 1 and len(own) > 1 else Said(own=own)
