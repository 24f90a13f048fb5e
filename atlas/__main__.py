"""``python -m atlas <command>``."""

import sys

from contract.cli import dispatch

COMMANDS = {
    "list": ("atlas.list", "list the data sets of a catalogue"),
    "search": ("atlas.search", "search CELLxGENE Discover for data sets"),
    "add": ("atlas.add", "write the entry of a CELLxGENE data set into a catalogue"),
    "validate": ("atlas.validate", "check a file against the CELLxGENE schema"),
    "fetch": ("atlas.fetch", "bring one data set's h5ad here and check its bytes"),
    "prepare": ("atlas.prepare", "turn one h5ad into cells, truth and a split"),
    "simulate": ("atlas.simulate", "write simulated counts along the Cell Ontology"),
    "corpus": ("atlas.corpus", "gather the cells that a model is trained on"),
    "labels": ("atlas.corpus_labels", "tell the types of a corpus' cells, of training units alone"),
    "overlap": ("atlas.overlap", "say what a corpus shares with a data set"),
    "join": ("atlas.joined", "make one file of several data sets: common labels, shared donors joined"),
    "listed": ("atlas.listed", "say whether a release of the CELLxGENE Census lists a data set"),
}

if __name__ == "__main__":
    sys.exit(dispatch("atlas", COMMANDS, about="Cells: fetch, prepare, split, simulate."))
