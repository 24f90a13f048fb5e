"""From source to checkpoint: a zarr store and a SOMA experiment teach what the same cells in an h5ad do."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from atlas.catalogue import read_datasets
from atlas.corpus import join, read_member
from atlas.fetch import _checked, fetch
from atlas.genes import gene_table
from atlas.prepare import prepare
from contract.outcome import Outcome
from models.cells_file import CellsFile
from models.options import RecipeOptions
from models.pretrained import Pretrained

ENTRY = {
    "title": "Sixty cells",
    "license": "CC0-1.0",
    "citation": "10.1000/sixty",
    "organism": "human",
    "gene_ids": "ensembl",
    "total_counts": "matrix",
    "obs": {"label": "cell_type", "batch": "lane", "donor": "donor_id"},
    "label_source": "clustering",
    "public_since": "2020",
    "tasks": ["integration"],
    "units": "donor",
}
SOURCES = {
    "h5ad": {"kind": "file", "path": "sixty.h5ad"},
    "zarr": {"kind": "file", "path": "sixty.zarr"},
    "soma": {"kind": "soma", "path": "sixty_soma", "obs_filter": "is_primary_data == True"},
}


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "cell_type": np.where(np.arange(60) % 3, "B cell", "T cell"),
            "lane": [f"l{i % 2}" for i in range(60)],
            "donor_id": [f"d{i % 4}" for i in range(60)],
            "is_primary_data": True,
        },
        index=[f"cell{i}" for i in range(60)],
    )
    var = pd.DataFrame({"feature_id": gene_table().ids[:30]}, index=gene_table().ids[:30])
    return ad.AnnData(X=sparse.csr_matrix(rng.poisson(2.0, (60, 30)).astype(np.float32)), obs=obs, var=var)


def trained(cells, kind, folder):
    """Loss curve and embedding by way of catalogue, ``fetch``, ``prepare`` and the corpus."""
    match kind:
        case "h5ad":
            cells.write_h5ad(folder / "sixty.h5ad")
        case "zarr":
            cells.write_zarr(folder / "sixty.zarr")
        case "soma":
            soma_io = pytest.importorskip("tiledbsoma.io", reason="SKIPPED: pip install 'sclitmus[soma]'")
            soma_io.from_anndata(
                str(folder / "sixty_soma"), cells, measurement_name="RNA", X_layer_name="raw"
            )
    source = SOURCES[kind]
    digest = {} if kind == "soma" else {"sha256": _checked(folder / source["path"], None)["sha256"]}
    (folder / "sets.yaml").write_text(yaml.safe_dump({"sixty": ENTRY | {"source": source} | digest}))
    dataset, data = read_datasets(folder / "sets.yaml")["sixty"], folder / "data/sixty"
    found = fetch(dataset, data=folder, folder=folder)
    assert (found["status"], found["reason"]) == ("ok", "")
    prepare(found["path"], dataset, data)
    Outcome(status="ok", stage="prepare").write(data / "outcome.json")
    join([read_member(data, part="train")], folder / "corpus.h5ad", name="small")
    options = RecipeOptions(recipe="geneformer", size="tiny", budget_cells=32)
    corpus = CellsFile.open(folder / "corpus.h5ad")
    model = Pretrained(options).fit(corpus, seed=0)
    return model.fitted.curve, model.embed(corpus)


@pytest.fixture(scope="module")
def filed(cells, tmp_path_factory):
    return trained(cells, "h5ad", tmp_path_factory.mktemp("h5ad"))


@pytest.mark.filterwarnings("ignore:Writing zarr v2")
@pytest.mark.parametrize("kind", ["zarr", "soma"])
def test_the_source_of_a_corpus_does_not_matter(kind, cells, filed, tmp_path):
    curve, embedding = trained(cells, kind, tmp_path)
    assert curve == filed[0]
    assert curve[-1]["loss"] > 0
    np.testing.assert_array_equal(embedding, filed[1])
