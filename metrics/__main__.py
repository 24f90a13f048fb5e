"""``python -m metrics``."""

import sys

from contract.cli import dispatch

COMMANDS = {"list": ("metrics.listing", "what each score is: best, worst, chance, needs")}

if __name__ == "__main__":
    sys.exit(dispatch("metrics", COMMANDS, about=__doc__))
