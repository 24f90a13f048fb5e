# Contestants: train on a corpus, embed a data set.

from models.recipe_labels import is_told_types


rule pretrain:
    input:
        cells="results/corpora/{corpus}/cells.h5ad",
        facts="results/corpora/{corpus}/corpus.json",
        corpus_outcome="results/corpora/{corpus}/outcome.json",
        labels=labels_if_told,
        vectors=gene_vectors_if_any,
    output:
        outcome="results/checkpoints/{model}@{corpus}/seed-{seed}/outcome.json",
        run="results/checkpoints/{model}@{corpus}/seed-{seed}/run.json",
        cost="results/checkpoints/{model}@{corpus}/seed-{seed}/cost.json",
        state=directory("results/checkpoints/{model}@{corpus}/seed-{seed}/state"),
    log:
        "results/logs/pretrain/{model}@{corpus}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}@{corpus}/seed-{seed}.jsonl"
    wildcard_constraints:
        model="[a-z][a-z0-9_]*",
    # The longest jobs start first; everything else fills the other core.
    priority: 90
    retries: RETRIES
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        last_attempt=last_attempt,
        mem_mb=lambda wildcards, input, attempt: growing(
            attempt,
            max(
                4000,
                copies(f"{wildcards.model}@{wildcards.corpus}", most=10)
                * input.size_mb,
            ),
        ),
        runtime="48h",
        gpu=GPU,
    params:
        models=PATHS.models,
        corpus=subpath(input.cells, parent=True),
        out=subpath(output.outcome, parent=True),
        labels=lambda wildcards: [
            word for path in labels_if_told(wildcards) for word in ["--labels", path]
        ],
        entry=lambda wildcards: as_text(
            CONTESTANTS[f"{wildcards.model}@{wildcards.corpus}"]
        ),
        code=lambda wildcards: code_of(
            "models.pretrain", f"{wildcards.model}@{wildcards.corpus}"
        ),
    shell:
        r"""
        python -m models pretrain --models {params.models:q} \
            --model {wildcards.model}@{wildcards.corpus} --seed {wildcards.seed} \
            --corpus {params.corpus:q} --out {params.out:q} {params.labels:q} \
            {resources.last_attempt} &>{log:q}
        """


rule embed:
    input:
        cells="results/data/{dataset}/cells.h5ad",
        split="results/data/{dataset}/split.parquet",
        prepared="results/data/{dataset}/outcome.json",
        truth=truth_if_allowed,
        trained=checkpoint_if_any,
        own=own_files,
    output:
        embedding="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/embedding.npy",
        outcome="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/outcome.json",
        run="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/run.json",
        cost="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/cost.json",
    log:
        "results/logs/embed/{dataset}/{model}/fit-{fit}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/embed/{dataset}/{model}/fit-{fit}/seed-{seed}.jsonl"
    priority: 10
    retries: RETRIES
    group:
        small
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        last_attempt=last_attempt,
        mem_mb=lambda wildcards, input, attempt: growing(
            attempt, max(2000, copies(wildcards.model, most=20) * input.size_mb)
        ),
        runtime="12h",
        gpu=gpu_if_needed,
    params:
        models=PATHS.models,
        data=subpath(input.cells, parent=True),
        out=subpath(output.outcome, parent=True),
        truth=lambda wildcards: (
            "--truth" if CONTESTANTS[wildcards.model].needs_truth else ""
        ),
        checkpoint=lambda wildcards: (
            f"--checkpoint {trained_folder(wildcards)}"
            if CONTESTANTS[wildcards.model].corpus
            else ""
        ),
        entry=lambda wildcards: as_text(CONTESTANTS[wildcards.model]),
        code=lambda wildcards: code_of("models.embed", wildcards.model),
    shell:
        r"""
        python -m models embed --models {params.models:q} --model {wildcards.model} \
            --fit {wildcards.fit} --seed {wildcards.seed} --data {params.data:q} \
            --out {params.out:q} {params.truth} {params.checkpoint} \
            {resources.last_attempt} &>{log:q}
        """
