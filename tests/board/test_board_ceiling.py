"""How far labels are sure: from the catalogue's entry to the line at each ceiling."""

import pytest
import yaml
from made_up import data_set, results, whole_study
from written import page_text

from atlas.catalogue import as_entry, read_datasets
from board.ceiling import noise_fact
from contract.errors import UserError

AGREEMENT = {"value": 0.86, "n": 742, "source": "<b>others</b>"}
ENTRY = {
    "title": "Blood",
    "source": {"kind": "file", "path": "blood.h5ad"},
    "sha256": "a" * 64,
    "license": "CC0-1.0",
    "citation": "GEO:GSE1",
    "organism": "human",
    "gene_ids": "symbol",
    "total_counts": "matrix",
    "obs": {"label": "type", "donor": "who"},
    "label_source": "facs",
    "public_since": "2020",
    "tasks": ["annotation"],
}


def read(folder, **changes):
    path = folder / "datasets.yaml"
    path.write_text(yaml.safe_dump({"blood": ENTRY | changes}))
    return read_datasets(path)["blood"]


def test_from_the_catalogue_to_each_ceiling_escaped(tmp_path) -> None:
    entry = as_entry(read(tmp_path, label_agreement=AGREEMENT))
    assert entry["label_agreement"] == AGREEMENT
    text = page_text(results(whole_study(), reports=[data_set(entry=entry)]))
    told = "another published set names 86% of 742 cells alike (&lt;b&gt;others&lt;/b&gt;)"
    assert text.count(told) >= 2
    assert AGREEMENT["source"] not in text
    assert text.index("Ceiling (oracle)") < text.index(told)


def test_nothing_is_said_where_no_second_set_is_known(tmp_path) -> None:
    assert noise_fact(data_set(entry=as_entry(read(tmp_path)))) == ""
    assert noise_fact(data_set()) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_agreement": AGREEMENT | {"value": 86}}, "label_agreement.value: found 86"),
        ({"label_agreement": AGREEMENT | {"n": 0}}, "label_agreement.n: found 0"),
        ({"label_agreement": {"value": 0.86}}, "label_agreement"),
        ({"label_agreement": AGREEMENT | {"kappa": 1}}, "unknown key 'kappa'"),
        (
            {
                "label_agreement": AGREEMENT,
                "obs": {"donor": "who"},
                "label_source": "none",
                "tasks": ["integration"],
            },
            "label_agreement: found no obs.label",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path, changes, message) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, **changes)
