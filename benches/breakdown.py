"""What one would write by hand: time a model with onnxruntime, read its profile with json and pandas, print shares.

The yardstick of `cargo bench --bench end_to_end`. Same library, iterations and threads as the launch it is compared with:
unprofiled runs for the latency, then as many under the profiler.

usage: breakdown.py MODEL.onnx ITERATIONS WARMUP
Prints the share table, then a line `inference_seconds X` with the sum of all inference times.
"""

import json
import os
import sys
import tempfile
import time

import numpy
import onnxruntime
import pandas

ELEMENTS = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}


def session(path, profile_prefix=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    if profile_prefix:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def timed_runs(running, feeds, count):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        running.run(None, feeds)
        seconds.append(time.perf_counter() - start)
    return seconds


def main():
    path, iterations, warmup = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random = numpy.random.default_rng(0)
    plain = session(path)
    feeds = {
        value.name: random.standard_normal(value.shape).astype(ELEMENTS[value.type])
        if value.type == "tensor(float)"
        else numpy.ones(value.shape, ELEMENTS[value.type])
        for value in plain.get_inputs()
    }
    spent = timed_runs(plain, feeds, warmup) + (unprofiled := timed_runs(plain, feeds, iterations))
    # Two sessions alive at once steal cores from each other.
    del plain
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(path, os.path.join(folder, "profile"))
        spent += timed_runs(profiled, feeds, warmup) + timed_runs(profiled, feeds, iterations)
        with open(profiled.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
    frame = pandas.DataFrame(
        {"operator": event["args"]["op_name"], "dur": event["dur"]}
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    )
    table = frame.groupby("operator")["dur"].sum().sort_values(ascending=False)
    print((table / table.sum()).to_string())
    print(f"latency_ms {1000 * pandas.Series(unprofiled).median():.3f}")
    print(f"inference_seconds {sum(spent):.6f}")


main()
