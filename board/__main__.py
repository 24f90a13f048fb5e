"""``python -m board <command>``."""

import sys

from contract.cli import dispatch

COMMANDS = {
    "page": ("board.page", "write the leaderboard of a study: index.html, scores and provenance"),
    "merge": ("board.merge", "join leaderboards of one study that were made on different machines"),
    "compare": ("board.compare", "what changed between two leaderboards, beyond its interval"),
    "quick": ("board.quick", "score an embedding of your own beside the baselines, without YAML"),
    "map": ("board.maps", "lay one embedding out in the plane (UMAP)"),
    "maps": ("board.mapview", "write the UMAPs of a study as a page, coloured by type, batch and donor"),
    "check": ("board.check", "list what failed on a leaderboard; exit status 1 if anything unexpected did"),
}

if __name__ == "__main__":
    sys.exit(dispatch("board", COMMANDS, about="Scores, intervals, verdicts, one HTML file."))
