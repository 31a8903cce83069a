#!/bin/sh
# What only a machine with an NVIDIA GPU can show, in some ten minutes after the build:
#
#     benches/cuda.sh [FOLDER]
#
# 1. what is there (doctor);
# 2. per model its work by CUPTI beside that of PyTorch's profiler on the same graph, in a program of its own: the GPU's time
#    in a run within 5 %; and that program's latency before its profiler was there and after, since both rest on CUPTI;
# 3. the gate: four models accepted, and checked again; a library that computes the same operators more slowly is found;
# 4. the suite on the CPU (all cores) and on the GPU at batch 1 and 8, as the study's table, and per scenario on the GPU its
#    work, its waiting, what GEMM operators do beside products, and how wrong the plain profile is.
#
# Needs Rust (or the program's path in NONGEMM), Python 3, CUDA 13, cuDNN 9 and CUPTI (docs/cuda.md); for 2. the Python
# packages onnxruntime-gpu, torch and numpy. A part whose tools are missing is said to be left out, and the exit code is then
# 3; 1 where figures disagree.
set -eu

here=$(dirname "$0")
out=${1:-target/cuda}
mkdir -p "$out"
if [ -z "${NONGEMM:-}" ]; then
    cargo build --release --locked
    NONGEMM=${CARGO_TARGET_DIR:-target}/release/cargo-nongemm
fi
nongemm="$(realpath "$NONGEMM") nongemm"
result=0

$nongemm doctor | tee "$out/doctor.txt"

echo "== beside PyTorch's profiler"
if python3 -c 'import numpy, torch, onnxruntime; assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()'; then
    for model in bert-base vit-b-16; do
        for batch in 1 8; do
            name=$model-b$batch
            $nongemm export "$model" --precision fp16 --batch "$batch" --output "$out/$name.onnx"
            $nongemm run "$out/$name.onnx" --provider cuda --launches 1 --time-budget 1 --save "$out/$name.json" >/dev/null
            python3 "$here/cuda_reference.py" "$out/$name.onnx" 30 "$out/$name.reference.json"
            python3 "$here/cuda_tables.py" "$out/$name.json" "$out/$name.reference.json" || result=1
            rm "$out/$name.onnx"
        done
    done
else
    echo "left out: the Python packages onnxruntime-gpu, torch or numpy are missing"
    result=3
fi

echo "== the gate"
gate() {
    mkdir -p "$out/gate"
    cd "$out/gate" || return 1
    models="bert-base vit-b-16 gpt2-decode resnet-50"
    # Names of models, one word each.
    # shellcheck disable=SC2086
    $nongemm run $models --provider cuda --time-budget 0.4 >first.txt && $nongemm accept || return 1
    # shellcheck disable=SC2086
    if ! $nongemm check $models --provider cuda --time-budget 0.4 >second.txt; then
        echo "RED though nothing changed: see second.txt"
        return 1
    fi
    : >exhaustive.toml
    printf '[cuda]\ncudnn-search = "default"\n' >default.toml
    # The default search leaves ResNet's convolutions several times as long: `compare` has to be red.
    if $nongemm compare resnet-50 --provider cuda --base-config exhaustive.toml --head-config default.toml \
        --time-budget 0.3 >planted.txt; then
        echo "GREEN though convolutions were made slower: see planted.txt"
        return 1
    fi
}
(gate) || result=1

echo "== the suite on CPU and GPU"
suite="$out/suite"
for batch in 1 8; do
    $nongemm study suite --tier full --provider cuda --batch $batch --launches 1 --time-budget 0.6 --output "$suite/gpu-$batch" ||
        echo "some scenarios were not measured: $suite/gpu-$batch/suite.md says which and why"
done
$nongemm study suite --tier standard --provider cpu --threads "$(nproc)" --batch 1 --launches 1 --iterations 2 --output "$suite/cpu-1"
$nongemm study suite --provider cpu --threads "$(nproc)" --batch 8 --launches 1 --iterations 2 --output "$suite/cpu-8"
$nongemm study suite --from "$suite"/*/report.json --output "$suite"
python3 "$here/cuda_tables.py" "$suite/gpu-1/report.json" "$suite/gpu-8/report.json" | tee "$out/device.md"
exit $result
