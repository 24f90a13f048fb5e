#!/usr/bin/env bash
# All that wants a GPU, in calls of at most ten minutes: call it again until it exits with 0.
#
#   bench/gpu.sh OUT [--dry-run]
#
# What a call did lies in OUT and is not done again: <step>.txt, and its last line in <step>.json. Exit status
# 75: there is more to do. Variables: DATA (an h5ad of raw counts; made-up blood without), MINUTES a call,
# SIZE and BUDGET_CELLS of the recipes, PYTHON. The peer of `embed` needs: pip install -e '.[bench]'.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:?"usage: bench/gpu.sh OUT [--dry-run]"}
dry=${2:-}
python=${PYTHON:-python}
limit=$(awk "BEGIN { print int(60 * ${MINUTES:-9.5}) }")
data=()
[[ -n ${DATA:-} ]] && data=(--data "$DATA")

left() { echo $((limit - SECONDS)); }

step() { # step NAME MODULE ARGUMENT...
  local name=$1 && shift
  if [[ -s $out/$name.json ]]; then
    return
  fi
  if [[ $dry == --dry-run ]]; then
    echo "$name: $python -m $*"
    return
  fi
  if (($(left) < 5)); then
    echo "$name: no time left in this call" >&2
    exit 75
  fi
  local status=0
  timeout "$(left)" "$python" -m "$@" >"$out/$name.txt.partial" || status=$?
  if ((status == 124)); then
    echo "$name: not done yet" >&2
    exit 75
  elif ((status)); then
    echo "$name: exit status $status" >&2
    exit "$status"
  fi
  mv "$out/$name.txt.partial" "$out/$name.txt"
  tail -n 1 "$out/$name.txt" >"$out/$name.json"
}

[[ $dry == --dry-run ]] || mkdir -p "$out"
step embed bench.embed "${data[@]}" --cells 2000
step pretrain bench.pretrain "${data[@]}" --size base --shape 12 512 1024 --batch-cells 64 --steps 20
step compiled bench.pretrain "${data[@]}" --recipes geneformer --size base --shape 12 512 1024 \
  --batch-cells 64 --steps 20 --compile
step mixers bench.mixers --lengths 512 1024 2048 4096 8192
step zoo bench.zoo "${data[@]}" --size "${SIZE:-small}" --budget-cells "${BUDGET_CELLS:-20000}" --out "$out/zoo"
