#!/bin/sh
# What only a machine with an NVIDIA GPU can show, in under ten minutes after the build:
#
#     benches/cuda.sh [FOLDER]
#
# 1. what is there (doctor);
# 2. the suite's quick models at batch 1 and 8 on the CPU and on the GPU, as the study's table;
# 3. per scenario on the GPU: its work, its waiting, and how wrong the plain profile is;
# 4. the GPU's time in a run by CUPTI beside that of Nsight Systems on the same graph, in a program of its own: within 5 %.
#
# Needs Rust, Python 3 with pip, CUDA 13, cuDNN 9 and CUPTI (docs/cuda.md); for 4. nsys on the path and the Python package
# onnxruntime-gpu with numpy. A part whose tools are missing is said to be left out, and the exit code is then 3; 1 where
# figures disagree.
set -eu

out=${1:-target/cuda}
mkdir -p "$out"
cargo build --release --locked
nongemm=${CARGO_TARGET_DIR:-target}/release/cargo-nongemm
left_out=0

"$nongemm" doctor | tee "$out/doctor.txt"

echo "== the suite on CPU and GPU"
timeout 420 "$nongemm" study suite --provider cpu,cuda --batch 1,8 --launches 2 --time-budget 1 --output "$out/suite" ||
    echo "some scenarios were not measured: $out/suite/suite.md says which and why"

echo "== work, waiting, and what the plain profile says"
python3 benches/cuda_tables.py "$out/suite/report.json" | tee "$out/device.md"

echo "== beside Nsight Systems"
if command -v nsys >/dev/null && python3 -c 'import numpy, onnxruntime; assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()'; then
    for model in bert-base vit-b-16; do
        "$nongemm" export "$model" --precision fp16 --output "$out/$model.onnx"
        "$nongemm" run "$out/$model.onnx" --provider cuda --launches 2 --save "$out/$model.json" >/dev/null
        nsys profile --force-overwrite true --trace cuda --capture-range cudaProfilerApi --output "$out/$model" \
            python3 benches/cuda_reference.py "$out/$model.onnx" 50
        nsys stats --quiet --force-export true --report cuda_gpu_trace --format csv --output "$out/$model" "$out/$model.nsys-rep"
        python3 benches/cuda_tables.py "$out/$model.json" "$out/${model}_cuda_gpu_trace.csv" 50
    done
else
    echo "left out: nsys, or the Python packages onnxruntime-gpu and numpy, are missing"
    left_out=3
fi
exit $left_out
