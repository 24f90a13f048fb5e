# Scores and the page.


rule score:
    input:
        embeddings=embedding_files,
        predictions=prediction_files,
        folds=folds_if_asked,
        overlaps=overlaps,
        truth="results/data/{dataset}/truth.parquet",
        reference="results/data/{dataset}/reference.npy",
        report="results/data/{dataset}/report.json",
        outcome="results/data/{dataset}/outcome.json",
    output:
        scores="results/scores/{study}/{dataset}.parquet",
        runs="results/scores/{study}/{dataset}.runs.json",
    log:
        "results/logs/score/{study}/{dataset}.log",
    benchmark:
        "results/benchmarks/score/{study}/{dataset}.jsonl"
    priority: 50
    conda:
        "../envs/harness.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt * max(4000, 5 * input.size_mb),
        runtime="24h",
    params:
        study=PATHS.study,
        tasks=lambda wildcards: DATASETS[wildcards.dataset].tasks,
        data=subpath(input.truth, parent=True),
        embeddings=lambda wildcards: [
            word
            for word in ["--embeddings", *folders(wildcards)]
            if folders(wildcards)
        ],
        predictions=lambda wildcards: [
            word
            for folds in folds_if_asked(wildcards)
            for word in [
                "--folds",
                folds,
                "--predictions",
                *prediction_folders(wildcards),
            ]
        ],
        entry=as_text(STUDY),
        code=fingerprint("tasks.score"),
    shell:
        r"""
        python -m tasks score --study {params.study:q} --dataset {wildcards.dataset} \
            --data {params.data:q} --tasks {params.tasks} {params.embeddings:q} {params.predictions:q} \
            --overlaps {input.overlaps:q} --jobs {threads} \
            --out {output.scores:q} &>{log:q}
        """


rule page:
    input:
        scores=[
            f"results/scores/{STUDY.id}/{dataset}.parquet"
            for dataset in STUDY.datasets
        ],
        runs=[
            f"results/scores/{STUDY.id}/{dataset}.runs.json"
            for dataset in STUDY.datasets
        ],
        reports=[f"results/data/{dataset}/report.json" for dataset in STUDY.datasets],
    output:
        page=report(
            "results/leaderboards/{study}/index.html",
            caption="../report/page.rst",
            category="Leaderboards",
            labels={"study": "{study}", "view": "page"},
        ),
        scores="results/leaderboards/{study}/scores.parquet",
        table=report(
            "results/leaderboards/{study}/scores.csv",
            caption="../report/scores.rst",
            category="Leaderboards",
            labels={"study": "{study}", "view": "single values"},
        ),
        export=report(
            "results/leaderboards/{study}/leaderboard.json",
            caption="../report/export.rst",
            category="Leaderboards",
            labels={"study": "{study}", "view": "for programs"},
        ),
        provenance="results/leaderboards/{study}/provenance.json",
    log:
        "results/logs/page/{study}.log",
    benchmark:
        "results/benchmarks/page/{study}.jsonl"
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        study=PATHS.study,
        out=subpath(output.page, parent=True),
        entry=as_text(STUDY),
        code=fingerprint("board.page"),
    shell:
        r"""
        python -m board page --study {params.study:q} --scores {input.scores:q} \
            --reports {input.reports:q} --out {params.out:q} &>{log:q}
        """


# Pictures to look at, made when asked for: snakemake results/leaderboards/<study>/maps.html
rule map:
    input:
        embedding="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/embedding.npy",
        outcome="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/outcome.json",
        run="results/embeddings/{dataset}/{model}/fit-{fit}/seed-{seed}/run.json",
    output:
        places="results/maps/{dataset}/{model}/fit-{fit}/seed-{seed}.json",
    log:
        "results/logs/map/{dataset}/{model}/fit-{fit}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/map/{dataset}/{model}/fit-{fit}/seed-{seed}.jsonl"
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        folder=subpath(input.embedding, parent=True),
        code=fingerprint("board.maps"),
    shell:
        r"""
        python -m board map --embedding {params.folder:q} --out {output.places:q} &>{log:q}
        """


rule maps:
    input:
        maps=[
            f"results/maps/{run.folder.removeprefix('embeddings/')}.json"
            for run in RUNS
            if run.seed == STUDY.seeds[0]
        ],
        truth=[f"results/data/{dataset}/truth.parquet" for dataset in STUDY.datasets],
    output:
        page=report(
            "results/leaderboards/{study}/maps.html",
            caption="../report/maps.rst",
            category="Leaderboards",
            labels={"study": "{study}", "view": "maps"},
        ),
    log:
        "results/logs/maps/{study}.log",
    benchmark:
        "results/benchmarks/maps/{study}.jsonl"
    conda:
        "../envs/harness.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        study=PATHS.study,
        entry=as_text(STUDY),
        code=fingerprint("board.mapview"),
    shell:
        r"""
        python -m board maps --study {params.study:q} --maps {input.maps:q} \
            --data results/data --out {output.page:q} &>{log:q}
        """
