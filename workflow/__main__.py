"""``python -m workflow run|retry``: what ``make demo`` and ``make retry`` call."""

import sys

from contract.cli import dispatch

COMMANDS = {
    "run": ("workflow.run", "run a study to its page; one run at a time in a folder"),
    "retry": ("workflow.retry", "forget failed outcomes, so that the next run tries them again"),
}

if __name__ == "__main__":
    sys.exit(dispatch("workflow", COMMANDS, about="Run a study to its page."))
