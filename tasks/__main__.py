"""``python -m tasks <command>``."""

import sys

from contract.cli import dispatch

COMMANDS = {
    "list": ("tasks.list", "list the tasks and their metrics"),
    "folds": ("tasks.make_folds", "make the folds of a study's protocol on one data set"),
    "score": ("tasks.score", "score all embeddings of one data set"),
}

if __name__ == "__main__":
    sys.exit(dispatch("tasks", COMMANDS, about="What a question means, and its answer in numbers."))
