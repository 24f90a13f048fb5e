"""Cells of two species in one file: only genes with one partner stay, and each cell keeps its species."""

import numpy as np
import pandas as pd
import pytest

from atlas.orthologues import one_to_one, organisms, partners
from contract.errors import UserError


def test_a_gene_without_one_partner_goes() -> None:
    ids = ["ENSG1", "ENSG2", "ENSG3", "ENSG4", "", "ENSG6"]
    partner = ["A", "B", "B", None, "C", "C"]
    assert one_to_one(ids, partner) == ["ENSG1", "", "", "", "", "ENSG6"]


def test_species_are_named_alike() -> None:
    found = organisms(np.array(["Homo sapiens", "Mus musculus", None, "Danio rerio"]), default="human", n=4)
    assert found.tolist() == ["human", "mouse", "", "Danio rerio"]
    assert organisms(None, default="mouse", n=2).tolist() == ["mouse", "mouse"]


def test_a_missing_column_is_told() -> None:
    var = pd.DataFrame({"mouse_symbol": ["A", ""]})
    assert partners(var, "mouse_symbol", known=["mouse_symbol"], where="x").tolist() == ["A", None]
    with pytest.raises(UserError, match=r"orthologues: .*did you mean 'mouse_symbol'"):
        partners(var, "mouse_symbols", known=["mouse_symbol"], where="x")
