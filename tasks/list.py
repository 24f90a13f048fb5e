"""``python -m tasks list``: the tasks as a table."""

import argparse

from contract.cli import table
from tasks.table import TASKS, Task

COLUMNS = ("task", "metric", "made_of", "readouts", "uncertainty", "usual_primary")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``list`` takes none."""


def main(args: argparse.Namespace) -> int:
    """Print each task's question, then one line a metric."""
    for task in TASKS.values():
        print(f"{task.id}: {task.question}")
    print()
    print(table([_row(task, metric) for task in TASKS.values() for metric in task.metrics], columns=COLUMNS))
    return 0


def _row(task: Task, metric: str) -> dict[str, str]:
    readouts = [readout for readout in task.readouts if metric in task.metrics_of(readout)]
    primary = task.primary
    return {
        "task": task.id,
        "metric": metric,
        "made_of": ", ".join(task.composites.get(metric, ())),
        "readouts": ", ".join(readouts),
        "uncertainty": "paired over units" if metric in task.per_unit else "leave one unit out",
        "usual_primary": f"margin {primary.margin:g}" if metric == primary.metric else "",
    }
