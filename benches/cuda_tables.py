"""What a saved report says of a GPU, as Markdown; with a trace of Nsight Systems, whether the two agree.

    cuda_tables.py REPORT.json [TRACE.csv RUNS]

TRACE.csv is what `nsys stats --report cuda_gpu_trace --format csv` writes of RUNS inferences. Exit code 1 where the time
that the GPU works in one differs by more than 5 %.
"""

import csv
import json
import statistics
import sys

TOLERANCE = 0.05


def scenarios(path):
    """Id and summary of each scenario that was measured with the GPU's own clock."""
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    for scenario in report["scenarios"]:
        summary = scenario["result"].get("summary", {})
        if summary.get("device"):
            yield scenario["id"], summary


def middle(summary, figure):
    return statistics.median(summary["device"][figure])


def table(path):
    print("| scenario | latency ms | GPU at work % | CPU alone % | waiting % | of no node % | clocks fit % | profile says % |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, summary in scenarios(path):
        latency = statistics.median(summary["latency_us"])
        parts = [middle(summary, figure) / latency for figure in ("busy_us", "exposed_us", "idle_us", "stray_us")]
        parts += [summary["device"]["contained"], statistics.median(summary["raw_reconciliation"])]
        print(f"| {name} | {latency / 1e3:.3f} | " + " | ".join(f"{100 * part:.1f}" for part in parts) + " |")
        operators = sorted(summary["operators"], key=lambda operator: -abs(wrong(operator)))
        for operator in operators[:3]:
            device = operator["device"]
            print(f"|   {operator['key']}: {device['work_us']:.0f} us of work, {device['reported_us']:.0f} us reported |" + " |" * 7)


def wrong(operator):
    return operator["device"]["work_us"] - operator["device"]["reported_us"]


def busy_us(trace, runs):
    """Time in which the GPU did anything, per run: the union of all intervals of the trace."""
    with open(trace, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    intervals = sorted((int(row["Start (ns)"]), int(row["Start (ns)"]) + int(row["Duration (ns)"])) for row in rows)
    busy, end = 0, 0
    for start, stop in intervals:
        busy += max(0, stop - max(start, end))
        end = max(end, stop)
    return busy / 1e3 / runs


def main(arguments):
    if len(arguments) == 1:
        table(arguments[0])
        return 0
    path, trace, runs = arguments
    (name, summary), = scenarios(path)
    ours, theirs = middle(summary, "busy_us"), busy_us(trace, int(runs))
    ratio = ours / theirs
    agree = abs(ratio - 1) <= TOLERANCE
    print(f"{name}: {ours:.0f} us of work by CUPTI in the launch, {theirs:.0f} us by Nsight Systems: {ratio:.3f} "
          f"({'agrees' if agree else 'DISAGREES'})")
    return 0 if agree else 1


sys.exit(main(sys.argv[1:]))
