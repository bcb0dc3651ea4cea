#!/usr/bin/env bash
# Sets up what the benchmarks compare with: a Python environment outside the repository, a copy of
# the question answering texts, and the peers' packages. Run it once: tests/bench/setup.sh
#
# M2_BENCH_HOME   where everything goes           (default ~/.cache/m2/bench)
# M2_BENCH_VENV   the Python environment          (default $M2_BENCH_HOME/venv)
# PYTHON          the Python that makes it, ≥ 3.10 (default python3)
#
# Afterwards: $M2_BENCH_VENV/bin/python tests/bench/forward.py --help
set -euo pipefail

home=${M2_BENCH_HOME:-$HOME/.cache/m2/bench}
venv=${M2_BENCH_VENV:-$home/venv}
python=${PYTHON:-python3}
need_gb=7 # PyTorch's package for Linux brings its GPU libraries

mkdir -p "$home"
if [ ! -e "$venv/complete" ]; then
    free_gb=$(df -Pk "$home" | awk 'NR == 2 { print int($4 / 1048576) }')
    if [ "$free_gb" -lt "$need_gb" ]; then
        echo "setup.sh: $home has $free_gb GB free, $need_gb GB are needed;" \
            "set M2_BENCH_HOME to a larger disk" >&2
        exit 2
    fi
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --no-cache-dir --progress-bar off --quiet \
        torch==2.15.0 'transformers>=5' tokenizers safetensors numpy \
        onnx onnxscript onnxruntime sentence-transformers
    touch "$venv/complete"
fi
"$venv/bin/pip" list --format=freeze |
    grep -E '^(torch|transformers|tokenizers|numpy|onnx|onnxruntime|sentence-transformers)=='

# SQuAD's development set, as the package bigbench carries it.
squad=$home/squad-dev.json
if [ ! -e "$squad" ]; then
    "$venv/bin/pip" download --no-deps --no-binary :all: --no-build-isolation --progress-bar off \
        --dest "$home" bigbench==1.0.0
    echo "1bb398a5512c6d798cdebe0dfa0ac03f67f6033fa6b39c6ef71df978c7cbc5c2  $home/bigbench-1.0.0.tar.gz" |
        sha256sum --check --quiet
    tar -xzf "$home/bigbench-1.0.0.tar.gz" -O \
        bigbench-1.0.0/bigbench/benchmark_tasks/squad_shifts/squaddev_v1.1.json >"$squad.part"
    mv "$squad.part" "$squad"
    rm "$home/bigbench-1.0.0.tar.gz"
fi
echo "ready: $venv/bin/python"
