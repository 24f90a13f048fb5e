# Learning from labels: the folds of the study's protocol, and what each contestant says of them.


rule folds:
    input:
        cells="results/data/{dataset}/cells.h5ad",
        truth="results/data/{dataset}/truth.parquet",
        prepared="results/data/{dataset}/outcome.json",
    output:
        folds=directory("results/folds/{study}/{dataset}"),
    log:
        "results/logs/folds/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/folds/{study}/{dataset}.jsonl"
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        study=PATHS.study,
        data=subpath(input.truth, parent=True),
        protocol=lambda wildcards: as_text(STUDY.protocols[wildcards.dataset]),
        code=fingerprint("tasks.make_folds"),
    shell:
        r"""
        python -m tasks folds --study {params.study:q} --dataset {wildcards.dataset} \
            --data {params.data:q} --out {output.folds:q} &>{log:q}
        """


rule predict:
    input:
        cells="results/data/{dataset}/cells.h5ad",
        prepared="results/data/{dataset}/outcome.json",
        folds="results/folds/{study}/{dataset}",
        trained=checkpoint_if_any,
        own=own_files,
    output:
        predictions="results/predictions/{study}/{dataset}/{model}/seed-{seed}/predictions.parquet",
        outcome="results/predictions/{study}/{dataset}/{model}/seed-{seed}/outcome.json",
        run="results/predictions/{study}/{dataset}/{model}/seed-{seed}/run.json",
        cost="results/predictions/{study}/{dataset}/{model}/seed-{seed}/cost.json",
    log:
        "results/logs/predict/{study}/{dataset}/{model}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/predict/{study}/{dataset}/{model}/seed-{seed}.jsonl"
    priority: 10
    retries: RETRIES
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        last_attempt=last_attempt,
        mem_mb=lambda wildcards, input, attempt: growing(
            attempt, max(4000, 40 * input.size_mb)
        ),
        runtime="24h",
        gpu=gpu_if_needed,
    params:
        models=PATHS.models,
        data=subpath(input.cells, parent=True),
        out=subpath(output.outcome, parent=True),
        checkpoint=lambda wildcards: (
            f"--checkpoint {trained_folder(wildcards)}"
            if CONTESTANTS[wildcards.model].corpus
            else ""
        ),
        entry=lambda wildcards: as_text(CONTESTANTS[wildcards.model]),
        code=lambda wildcards: code_of("models.predict", wildcards.model),
    shell:
        r"""
        python -m models predict --models {params.models:q} --model {wildcards.model} \
            --seed {wildcards.seed} --data {params.data:q} --folds {input.folds:q} \
            --out {params.out:q} {params.checkpoint} {resources.last_attempt} &>{log:q}
        """
