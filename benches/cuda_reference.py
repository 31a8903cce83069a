"""Runs a model on CUDA in PyTorch's profiler, its inputs and outputs on the device, and writes what that saw.

    cuda_reference.py MODEL.onnx RUNS REFERENCE.json

A program of its own, so that what it shows owes nothing to cargo-nongemm: benches/cuda.sh compares the two. `latency_us`
is that of runs before the profiler was there, `latency_after_us` that of runs after it had recorded.
"""

import collections
import json
import os
import statistics
import sys
import tempfile
import time

import numpy
import torch
from torch.profiler import ProfilerActivity, profile

import onnxruntime  # After torch, whose CUDA libraries it then uses.

TYPES = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16, "tensor(int64)": numpy.int64,
         "tensor(int32)": numpy.int32, "tensor(bool)": numpy.bool_}
WORK = ("kernel", "gpu_memcpy", "gpu_memset")


def bound(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CUDAExecutionProvider"])
    assert session.get_providers()[0] == "CUDAExecutionProvider", session.get_providers()
    binding = session.io_binding()
    random = numpy.random.default_rng(1)
    for declared in session.get_inputs():
        kind = TYPES[declared.type]
        whole = kind in (numpy.int64, numpy.int32, numpy.bool_)
        values = random.integers(0, 2, declared.shape) if whole else random.standard_normal(declared.shape)
        binding.bind_ortvalue_input(declared.name, onnxruntime.OrtValue.ortvalue_from_numpy(values.astype(kind), "cuda", 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda")
    return session, binding


def latencies(session, binding, runs):
    for _ in range(runs):
        started = time.perf_counter()
        session.run_with_iobinding(binding)
        yield (time.perf_counter() - started) * 1e6


def recorded(session, binding, runs):
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiler:
        for _ in range(runs):
            session.run_with_iobinding(binding)
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.json")
        profiler.export_chrome_trace(path)
        with open(path, encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
    return [event for event in events if event.get("cat") in WORK]


def main(path, runs, output):
    torch.zeros(1).cuda()
    session, binding = bound(path)
    list(latencies(session, binding, 10))
    latency_us = statistics.median(latencies(session, binding, runs))
    recorded(session, binding, runs)  # The first time, it prepares itself.
    work = recorded(session, binding, runs)
    latency_after_us = statistics.median(latencies(session, binding, runs))
    busy, end = 0.0, 0.0
    for start, stop in sorted((event["ts"], event["ts"] + event["dur"]) for event in work):
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    kernels = collections.Counter()
    for event in work:
        kernels[event["name"]] += event["dur"] / runs
    found = {"latency_us": latency_us, "latency_after_us": latency_after_us, "busy_us": busy / runs, "pieces": len(work) / runs, "kernels": kernels}
    with open(output, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
