"""Runs a model on CUDA as often as told, its inputs and outputs on the device, between two marks that Nsight Systems obeys.

A program of its own, so that what it shows owes nothing to cargo-nongemm: benches/cuda.sh compares the two.
"""

import ctypes
import sys

import numpy
import onnxruntime

SHAPES = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16, "tensor(int64)": numpy.int64,
          "tensor(int32)": numpy.int32, "tensor(bool)": numpy.bool_}


def main(path, runs):
    session = onnxruntime.InferenceSession(path, providers=["CUDAExecutionProvider"])
    binding = session.io_binding()
    random = numpy.random.default_rng(1)
    for declared in session.get_inputs():
        kind = SHAPES[declared.type]
        values = random.integers(0, 2, declared.shape) if kind in (numpy.int64, numpy.int32, numpy.bool_) else \
            random.standard_normal(declared.shape)
        binding.bind_ortvalue_input(declared.name, onnxruntime.OrtValue.ortvalue_from_numpy(values.astype(kind), "cuda", 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda")
    for _ in range(5):
        session.run_with_iobinding(binding)
    cuda = ctypes.CDLL("libcudart.so.13")
    cuda.cudaProfilerStart()
    for _ in range(runs):
        session.run_with_iobinding(binding)
    cuda.cudaDeviceSynchronize()
    cuda.cudaProfilerStop()


main(sys.argv[1], int(sys.argv[2]))
