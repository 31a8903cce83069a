"""What saved reports say of a GPU, as Markdown; with what benches/cuda_reference.py wrote, whether the two agree.

    cuda_tables.py REPORT.json...
    cuda_tables.py REPORT.json MODEL.reference.json

Exit code 1 where the time that the GPU works in a run differs by more than 5 %.
"""

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


def gemm_kernels(summary):
    """The kernels of the operators that count as GEMM."""
    operators = [operator for operator in summary["operators"] if operator["group"] == "gemm"]
    return [kernel for operator in operators for kernel in operator["device"].get("kernels", [])]


def table(paths):
    print("| scenario | latency ms | GPU at work % | CPU alone % | waiting % | of no node % | clocks fit % | profile says % "
          "| GEMM beside products % | of all work % |")
    print("| --- |" + " ---: |" * 9)
    for name, summary in (scenario for path in paths for scenario in scenarios(path)):
        latency = statistics.median(summary["latency_us"])
        parts = [middle(summary, figure) / latency for figure in ("busy_us", "exposed_us", "idle_us", "stray_us")]
        parts += [summary["device"]["contained"], statistics.median(summary["raw_reconciliation"])]
        kernels = gemm_kernels(summary)
        beside = sum(kernel["work_us"] for kernel in kernels if not kernel["product"])
        parts += [beside / (sum(kernel["work_us"] for kernel in kernels) or 1), beside / middle(summary, "busy_us")]
        print(f"| {name} | {latency / 1e3:.3f} | " + " | ".join(f"{100 * part:.1f}" for part in parts) + " |")


def beside(path, reference):
    (name, summary), = scenarios(path)
    with open(reference, encoding="utf-8") as file:
        theirs = json.load(file)
    ours = middle(summary, "busy_us")
    ratio = ours / theirs["busy_us"]
    agree = abs(ratio - 1) <= TOLERANCE
    print(f"{name}: {ours:.0f} us of work here, {theirs['busy_us']:.0f} us by PyTorch's profiler: {ratio:.3f} "
          f"({'agrees' if agree else 'DISAGREES'}); latency {statistics.median(summary['latency_us']):.0f} and "
          f"{theirs['latency_us']:.0f} us ({theirs['latency_after_us']:.0f} once a profiler has recorded); the plain profile adds up to "
          f"{sum(operator['device']['reported_us'] for operator in summary['operators']):.0f} us")
    return 0 if agree else 1


def main(arguments):
    if len(arguments) == 2 and arguments[1].endswith(".reference.json"):
        return beside(*arguments)
    table(arguments)
    return 0


sys.exit(main(sys.argv[1:]))
