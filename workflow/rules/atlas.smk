# Cells: fetch, verify, split, and put together the corpora that models are trained on.


rule fetch:
    input:
        file=local_file,
    output:
        source="results/data/{dataset}/source.json",
    log:
        "results/logs/fetch/{dataset}.log",
    benchmark:
        "results/benchmarks/fetch/{dataset}.jsonl"
    # All that the long trainings wait for comes first.
    priority: 100
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="12h",
    params:
        datasets=PATHS.datasets,
        data=f"--data {PATHS.data}" if PATHS.data else "",
        entry=lambda wildcards: as_text(DATASETS[wildcards.dataset].source),
        code=fingerprint("atlas.fetch", "atlas.simulate"),
    shell:
        r"""
        python -m atlas fetch --datasets {params.datasets:q} --dataset {wildcards.dataset} \
            {params.data} --out {output.source:q} &>{log:q}
        """


rule prepare:
    input:
        source="results/data/{dataset}/source.json",
        file=local_file,
    output:
        cells="results/data/{dataset}/cells.h5ad",
        truth="results/data/{dataset}/truth.parquet",
        split="results/data/{dataset}/split.parquet",
        reference="results/data/{dataset}/reference.npy",
        report="results/data/{dataset}/report.json",
        outcome="results/data/{dataset}/outcome.json",
    log:
        "results/logs/prepare/{dataset}.log",
    benchmark:
        "results/benchmarks/prepare/{dataset}.jsonl"
    priority: 100
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * max(4000, input.size_mb),
        runtime="2h",
    params:
        datasets=PATHS.datasets,
        out=subpath(output.cells, parent=True),
        entry=lambda wildcards: as_text(DATASETS[wildcards.dataset]),
        code=fingerprint("atlas.prepare"),
    shell:
        r"""
        python -m atlas prepare --datasets {params.datasets:q} --dataset {wildcards.dataset} \
            --source {input.source:q} --out {params.out:q} &>{log:q}
        """


rule corpus:
    input:
        cells=corpus_members("cells.h5ad"),
        split=corpus_members("split.parquet"),
        outcomes=corpus_members("outcome.json"),
        reports=corpus_members("report.json"),
    output:
        cells="results/corpora/{corpus}/cells.h5ad",
        facts="results/corpora/{corpus}/corpus.json",
        outcome="results/corpora/{corpus}/outcome.json",
    log:
        "results/logs/corpus/{corpus}.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}.jsonl"
    priority: 100
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * max(2000, input.size_mb),
        runtime="2h",
    params:
        out=subpath(output.cells, parent=True),
        parts=lambda wildcards: [
            f"--part {dataset}={part}"
            for dataset, part in sorted(
                CATALOGUE.corpora[wildcards.corpus].datasets.items()
            )
        ],
        code=fingerprint("atlas.corpus"),
    shell:
        r"""
        python -m atlas corpus --name {wildcards.corpus} --data results/data {params.parts} \
            --out {params.out:q} &>{log:q}
        """


# In a file of their own, that only trainings which ask for it are handed.
rule corpus_labels:
    input:
        cells="results/corpora/{corpus}/cells.h5ad",
        facts="results/corpora/{corpus}/corpus.json",
        truth=corpus_members("truth.parquet"),
    output:
        labels="results/corpora/{corpus}/labels.parquet",
    log:
        "results/logs/labels/{corpus}.log",
    benchmark:
        "results/benchmarks/labels/{corpus}.jsonl"
    priority: 100
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        corpus=subpath(input.cells, parent=True),
        code=fingerprint("atlas.corpus_labels"),
    shell:
        r"""
        python -m atlas labels --corpus {params.corpus:q} --data results/data \
            --out {output.labels:q} &>{log:q}
        """


rule overlap:
    input:
        corpus="results/corpora/{corpus}/cells.h5ad",
        facts="results/corpora/{corpus}/corpus.json",
        corpus_outcome="results/corpora/{corpus}/outcome.json",
        cells="results/data/{dataset}/cells.h5ad",
        split="results/data/{dataset}/split.parquet",
        report="results/data/{dataset}/report.json",
    output:
        overlap="results/corpora/{corpus}/overlap-{dataset}.json",
    log:
        "results/logs/overlap/{corpus}/{dataset}.log",
    benchmark:
        "results/benchmarks/overlap/{corpus}/{dataset}.jsonl"
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * max(2000, input.size_mb),
        runtime="1h",
    params:
        corpus=subpath(input.corpus, parent=True),
        dataset=subpath(input.cells, parent=True),
        code=fingerprint("atlas.overlap"),
    shell:
        r"""
        python -m atlas overlap --corpus {params.corpus:q} --dataset-dir {params.dataset:q} \
            --out {output.overlap:q} &>{log:q}
        """
