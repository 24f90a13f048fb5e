from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/board.smk"


rule all:
    default_target: True
    input:
        f"results/leaderboards/{STUDY.id}/index.html",
