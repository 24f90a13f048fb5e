"""``python -m models <command>``."""

import sys

from contract.cli import dispatch

COMMANDS = {
    "list": ("models.list", "list the contestants of a catalogue"),
    "pretrain": ("models.pretrain", "train one contestant on a corpus"),
    "embed": ("models.embed", "embed one data set with one contestant"),
    "predict": ("models.predict", "let one contestant learn from labels and name held-out cells"),
}

if __name__ == "__main__":
    sys.exit(dispatch("models", COMMANDS, about="Contestants: list, pretrain, embed, predict."))
