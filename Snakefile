from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/board.smk"


onstart:
    # Nothing is submitted from here to a queue that could be flooded. Snakemake 9.27 adds a timer for each job that
    # ends, and each looks at all waiting jobs once a second: after a hundred jobs that takes a core.
    if workflow.executor_plugin.common_settings.local_exec:
        workflow.scheduler.job_rate_limiter = None


rule all:
    default_target: True
    input:
        f"results/leaderboards/{STUDY.id}/index.html",
        # Named here, because Snakemake makes a lost file again only if it is asked for.
        [f"results/{run.folder}/{file}" for run in RUNS for file in EMBEDDING_FILES],
        [
            f"results/{found.folder}/{file}"
            for found in PREDICTIONS
            for file in PREDICTION_FILES
        ],
        [
            f"results/data/{dataset}/{file}"
            for dataset in STUDY.datasets
            for file in DATA_FILES
        ],
        [f"results/scores/{STUDY.id}/{dataset}.parquet" for dataset in STUDY.datasets],
