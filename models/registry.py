"""Adapters by name: what each is, and where its class lies. Importing this loads no class."""

from models import options
from models.adapter import Adapter
from models.card import ModelCard
from models.finetune_options import FineTuneOptions

OURS = "this repository"
LICENSE = "BSD-3-Clause"
FITS = ("train", "all", "none")


def _control(attr: str, about: str, *, kind: type, saw: tuple[str, ...], stochastic: bool = True) -> Adapter:
    return Adapter(
        target=attr if ":" in attr else f"models.controls:{attr}",
        about=about,
        fits=("none",),
        stochastic=stochastic,
        options=kind,
        control=True,
        needs_truth="truth" in saw,
        seeded=stochastic,
        card=ModelCard(
            name=about, source=OURS, revision=OURS, license=LICENSE, saw=saw, equivariance_tolerance=1e-4
        ),
    )


def _baseline(
    target: str,
    about: str,
    *,
    kind: type,
    source: str,
    license: str,
    fits: tuple[str, ...] = ("train", "all"),
    stochastic: bool = False,
    saves: bool = True,
    saw: tuple[str, ...] = ("counts",),
    tolerance: float = 1e-4,
    note: str = "",
    labelled: bool = False,
    embeds: bool = True,
) -> Adapter:
    return Adapter(
        target=target,
        about=about,
        fits=fits,
        stochastic=stochastic,
        options=kind,
        saves=saves,
        labelled=labelled,
        embeds=embeds,
        card=ModelCard(
            name=about,
            source=source,
            revision="as installed",
            license=license,
            saw=saw,
            equivariance_tolerance=tolerance,
            note=note,
        ),
    )


SCANPY = "10.1186/s13059-017-1382-0"

ADAPTERS: dict[str, Adapter] = {
    "noise": _control("Noise", "normal noise", kind=options.WidthOptions, saw=()),
    "constant": _control(
        "Constant", "the same point for each cell", kind=options.WidthOptions, saw=(), stochastic=False
    ),
    "random_projection": _control(
        "RandomProjection", "random directions", kind=options.WidthOptions, saw=("counts",)
    ),
    "shuffled": _control("Shuffled", "PCA, rows permuted", kind=options.PcaOptions, saw=("counts",)),
    "batch_only": _control("BatchOnly", "the batch, jittered", kind=options.JitterOptions, saw=("batch",)),
    "oracle": _control(
        "models.oracles:Oracle", "the true type, jittered", kind=options.JitterOptions, saw=("truth",)
    ),
    "ontology_oracle": _control(
        "models.oracles:OntologyOracle",
        "true types laid out by ontology distance",
        kind=options.JitterOptions,
        saw=("truth",),
    ),
    "hvg": _baseline(
        "models.baselines:Hvg",
        "highly variable genes",
        kind=options.GeneOptions,
        source=SCANPY,
        license="BSD-3-Clause",
    ),
    "pca": _baseline(
        "models.baselines:Pca", "PCA of HVGs", kind=options.PcaOptions, source=SCANPY, license="BSD-3-Clause"
    ),
    "harmony": _baseline(
        "models.harmony:Harmony",
        "Harmony on PCA",
        kind=options.HarmonyOptions,
        source="10.1038/s41592-019-0619-0",
        license="GPL-3.0-or-later",
        fits=("all",),
        saves=False,
        saw=("counts", "batch"),
    ),
    "scvi": _baseline(
        "models.scvi_baseline:Scvi",
        "scVI",
        kind=options.ScviOptions,
        source="10.1038/s41592-018-0229-2",
        license="BSD-3-Clause",
        stochastic=True,
        saw=("counts", "batch"),
    ),
    "rank_pca": _baseline(
        "models.rank_normal:RankPca",
        "whitened PCA of ranks (Souza and Mehta, without labels)",
        kind=options.RankOptions,
        source="arXiv:2602.16696",
        license=LICENSE,
        note="Published: genes by analysis of variance between types; here those whose scores vary most.",
    ),
    "weighted_vectors": _baseline(
        "models.weighted_vectors:WeightedVectors",
        "gene vectors weighted by expression (form of scELMo and GenePT)",
        kind=options.GeneVectorOptions,
        source="10.1101/2023.12.07.569910; HelloWorldLTY/scELMo@e1d51c2 (facts only)",
        license=LICENSE,
        note="Published vectors are of texts about genes; without a file they are made of the cells.",
    ),
    "sctop": _baseline(
        "models.sctop:ScTop",
        "scTOP: projection on the types' mean ranks",
        kind=options.ScTopOptions,
        source="10.1242/dev.201873",
        license=LICENSE,
        fits=("train",),
        saves=False,
        saw=("counts", "train_labels"),
        labelled=True,
    ),
    "scanvi": _baseline(
        "models.scanvi:Scanvi",
        "scANVI",
        kind=options.ScanviOptions,
        source="10.15252/msb.20209620",
        license="BSD-3-Clause",
        fits=("train",),
        stochastic=True,
        saves=False,
        saw=("counts", "batch", "train_labels"),
        labelled=True,
    ),
    "celltypist_style": _baseline(
        "models.labelled_linear:CellTypist",
        "CellTypist's way: logistic regression on genes, twice",
        kind=options.CellTypistOptions,
        source="10.1126/science.abl5197",
        license=LICENSE,
        fits=("train",),
        saves=False,
        saw=("counts", "train_labels"),
        labelled=True,
        embeds=False,
    ),
    "souza_mehta": _baseline(
        "models.labelled_linear:SouzaMehta",
        "Souza and Mehta: ranks, analysis of variance, whitened PCA, logistic regression",
        kind=options.SouzaMehtaOptions,
        source="arXiv:2602.16696",
        license=LICENSE,
        fits=("train",),
        saves=False,
        saw=("counts", "train_labels"),
        labelled=True,
    ),
    "recipe": Adapter(
        target="models.pretrained:Pretrained",
        about="a transformer trained here",
        fits=("none",),
        stochastic=True,
        saves=True,
        resumable=True,
        tells_card=True,
        options=options.RecipeOptions,
        card=ModelCard(
            name="transformer recipe",
            source=OURS,
            revision=OURS,
            license=LICENSE,
            saw=("counts", "pretraining"),
            equivariance_tolerance=1e-5,
        ),
    ),
    "finetuned": Adapter(
        target="models.finetune:FineTuned",
        about="a transformer trained here, fine-tuned on labels",
        fits=("train",),
        stochastic=True,
        saves=True,
        resumable=True,
        tells_card=True,
        labelled=True,
        options=FineTuneOptions,
        card=ModelCard(
            name="fine-tuned transformer recipe",
            source=OURS,
            revision=OURS,
            license=LICENSE,
            saw=("counts", "pretraining", "train_labels"),
            equivariance_tolerance=1e-5,
        ),
    ),
    "command": Adapter(
        target="models.outside:Command",
        about="an outside command",
        fits=("none", "all"),
        stochastic=False,
        seeded=True,
        options=options.CommandOptions,
        card=None,
    ),
    "file": Adapter(
        target="models.outside:File",
        about="a ready-made array",
        fits=("none", "all"),
        stochastic=False,
        options=options.FileOptions,
        card=None,
    ),
}


def user_class(target: str) -> Adapter:
    """The adapter behind ``adapter: mypkg.mod:Class``: what it can do shows when it is called."""
    return Adapter(
        target=target,
        about="a class of the user's",
        fits=FITS,
        stochastic=False,
        saves=True,
        options=dict,
        card=None,
    )
