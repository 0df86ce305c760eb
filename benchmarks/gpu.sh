#!/usr/bin/env bash
# What is true and what it costs on a GPU, in one command and under eight minutes.
#
#     benchmarks/gpu.sh --pack DIR [--python 3.12] [--have NAME ...] [--weights]
#     benchmarks/gpu.sh [--wheels DIR] [--out FOLDER] [options of benchmarks/gpu.py]
#
# The first form runs where there are packages, and puts what is needed beside torch into DIR; the
# second on a machine that has torch and nothing else. Of what it installs nothing is left, and
# torch is not touched. PYTHON names the interpreter, python3 if it is not set.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$here/../src${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

if [ "${1:-}" = --pack ]; then
    shift
    unset HF_HUB_OFFLINE
    exec "$python" "$here/_gpu_pack.py" "$@"
fi

wheels=""
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --wheels)
            wheels=${2:?--wheels needs the folder that --pack wrote}
            shift 2
            ;;
        *)
            options+=("$1")
            shift
            ;;
    esac
done

if ! "$python" -c "import torch" 2> /dev/null; then
    echo "$python has no torch, which is all that must be there: set PYTHON to one that has." >&2
    exit 2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -n "$wheels" ]; then
    if ! compgen -G "$wheels/*.whl" > /dev/null; then
        echo "There are no wheels in $wheels: write them with benchmarks/gpu.sh --pack $wheels." >&2
        exit 2
    fi
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
        --disable-pip-version-check --target "$scratch/site" "$wheels"/*.whl
    export PYTHONPATH="$scratch/site:$PYTHONPATH"
    options=(--model "$wheels/model" "${options[@]}")
fi
"$python" "$here/gpu.py" --scratch "$scratch" "${options[@]}"
