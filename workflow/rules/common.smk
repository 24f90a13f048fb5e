# Catalogues → constants → one-line input functions; nothing else.
# Every step is a command that can be run by hand, as Snakemake prints it.
import re
import shutil
import sys
from pathlib import Path

# Jobs are `python -m …`, which finds a user's modules here; so must the fingerprints.
sys.path[:0] = [workflow.basedir, str(Path.cwd())]

from models.registry import ADAPTERS
from workflow.config import load
from workflow.fingerprint import adapter_fingerprint, fingerprint
from workflow.lock import ONLY_LOOKING, hold_unless_parent_does
from workflow.plan import HELD, as_text, predictions, runs, used_corpora

STUDY, DATASETS, CATALOGUE, PATHS = load(config, home=Path(workflow.basedir))
CONTESTANTS = CATALOGUE.contestants
RUNS = runs(STUDY, CONTESTANTS)
CORPORA = used_corpora(STUDY, CONTESTANTS)


# Here and not in `onstart`, so that a second run is refused before Snakemake's own lock speaks, in one
# line. Jobs that Snakemake sends elsewhere, and whoever only looks, need no lock.
if workflow.is_main_process and not ONLY_LOOKING & set(sys.argv):
    hold_unless_parent_does()


wildcard_constraints:
    dataset="|".join(map(re.escape, sorted(DATASETS))),
    model="|".join(map(re.escape, sorted(CONTESTANTS))),
    corpus="|".join(map(re.escape, sorted(CATALOGUE.corpora))) or "none",
    fit="train|all|none",
    seed=r"\d+",
    study=re.escape(STUDY.id),


# Two runs of two threads side by side on two cores are many times slower than single-threaded ones,
# and hash order must not reach a result.
shell.prefix(
    "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONHASHSEED=0; "
)


def local_file(wildcards):
    """The user's own file behind a data set, where there is one; a missing one is told by `atlas fetch`."""
    path = PATHS.local_file(DATASETS[wildcards.dataset])
    return [path] if path else []


def corpus_members(file):
    """An input function: this file of every data set in a corpus."""
    return lambda wildcards: [
        f"results/data/{dataset}/{file}"
        for dataset in CATALOGUE.corpora[wildcards.corpus].datasets
    ]


def truth_if_allowed(wildcards):
    """Only the oracles are handed the truth; who learns from labels is handed its training rows."""
    contestant = CONTESTANTS[wildcards.model]
    needs = contestant.needs_truth or contestant.labelled
    return [f"results/data/{wildcards.dataset}/truth.parquet"] if needs else []


def own_files(wildcards):
    """Files of the user's that a contestant is made of: a ready-made array, a program's scripts."""
    options, adapter = (
        CONTESTANTS[wildcards.model].options,
        CONTESTANTS[wildcards.model].adapter,
    )
    words = {
        "file": [options.get("path", "").replace("{dataset}", wildcards.dataset)],
        "command": [*options.get("env", ()), *options.get("command", ())],
    }
    vectors = (
        [options.get("gene_vectors") or ""] if adapter == "weighted_vectors" else []
    )
    return [word for word in words.get(adapter, vectors) if Path(word).is_file()]


def checkpoint_if_any(wildcards):
    """What a contestant was trained to on its corpus, if it has one."""
    corpus, folder = CONTESTANTS[wildcards.model].corpus, trained_folder(wildcards)
    return [f"{folder}/outcome.json", f"{folder}/state"] if corpus else []


def trained_folder(wildcards):
    """Where the training lies that a contestant starts from."""
    trained_as = CONTESTANTS[wildcards.model].trained_as
    return f"results/checkpoints/{trained_as}/seed-{wildcards.seed}"


def folders(wildcards):
    """Every embedding that the study scores on a data set."""
    return [f"results/{run.folder}" for run in RUNS if run.dataset == wildcards.dataset]


def embedding_files(wildcards):
    return [
        f"{folder}/{file}" for folder in folders(wildcards) for file in EMBEDDING_FILES
    ]


def overlaps(wildcards):
    return [
        f"results/corpora/{corpus}/overlap-{wildcards.dataset}.json"
        for corpus in CORPORA
    ]


EMBEDDING_FILES = ["embedding.npy", "outcome.json", "run.json", "cost.json"]
DATA_FILES = [
    "cells.h5ad",
    "truth.parquet",
    "split.parquet",
    "report.json",
    "outcome.json",
]

# A job that was killed for want of memory is tried once more, with more of it; then that is its result. A
# cluster may kill the whole job, which then cannot say so: the third attempt runs nothing, and says it.
ATTEMPTS = ["", "--last-attempt", "--given-up"]
# Whoever submits a job tries again, and asks for more; inside the job that would be with the same memory.
RETRIES = len(ATTEMPTS) - 1 if workflow.is_main_process else 0


def last_attempt(wildcards, attempt):
    return ATTEMPTS[attempt - 1]


def growing(attempt, mb):
    """Memory that each attempt asks for; no more than any node has, where nothing is run."""
    return 2000 if attempt == len(ATTEMPTS) else attempt * mb


def copies(model, *, most):
    """How often a contestant holds its cells in memory, at most; at least names and embedding are held."""
    return HELD.get(CONTESTANTS[model].adapter, most)


# One job at a time may use the GPU, where there is one; the profile says how many there are. On a cluster
# the GPUs are elsewhere, and the profile says how many to ask for.
named = (workflow.resource_settings.default_resources or {}).get("gpus_of_a_training")
GPU = getattr(named, "value", None)
if GPU is None:
    GPU = 1 if shutil.which("nvidia-smi") else 0


def is_trained(wildcards):
    return CONTESTANTS[wildcards.model].adapter in (
        "recipe",
        "finetuned",
        "scvi",
        "scanvi",
    )


def gpu_if_needed(wildcards):
    return GPU if is_trained(wildcards) else 0


def small(wildcards):
    """Jobs that a cluster may run in bundles, as large as its profile says; at home each is run by itself."""
    ours = CONTESTANTS[wildcards.model].adapter in ADAPTERS
    bundled = ours and not is_trained(wildcards) and not workflow.local_exec
    return "small" if bundled else None


def code_of(step, model):
    """Fingerprint of a step and of the one adapter it runs."""
    adapter = CONTESTANTS[model].adapter
    return adapter_fingerprint(
        step, ADAPTERS[adapter].target if adapter in ADAPTERS else adapter
    )


PREDICTIONS = predictions(STUDY, CONTESTANTS)
PREDICTION_FILES = ["predictions.parquet", "outcome.json", "run.json", "cost.json"]


def prediction_folders(wildcards):
    """Every prediction that the study scores on a data set."""
    return [
        f"results/{found.folder}"
        for found in PREDICTIONS
        if found.dataset == wildcards.dataset
    ]


def prediction_files(wildcards):
    return [
        f"{folder}/{file}"
        for folder in prediction_folders(wildcards)
        for file in PREDICTION_FILES
    ]


def folds_if_asked(wildcards):
    """The folds of the study's protocol, where it has one."""
    return (
        [f"results/folds/{STUDY.id}/{wildcards.dataset}"] if STUDY.by_protocol else []
    )


def labels_if_told(wildcards):
    """Types of the corpus' cells, for a recipe that learns from them; no other is handed the file."""
    contestant = CONTESTANTS[f"{wildcards.model}@{wildcards.corpus}"]
    told = is_told_types(contestant.adapter, contestant.options)
    return [f"results/corpora/{wildcards.corpus}/labels.parquet"] if told else []


def gene_vectors_if_any(wildcards):
    """The user's file of gene vectors, so that a changed one is trained on anew."""
    file = CONTESTANTS[f"{wildcards.model}@{wildcards.corpus}"].options.get(
        "gene_vectors"
    )
    return [file] if file and Path(file).is_file() else []
