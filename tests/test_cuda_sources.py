"""The CUDA sources compile for real devices, by NVRTC, which CuPy uses, else by nvcc, to as few instructions as was meant.

No device is needed for that. The instructions of a loop that takes a thread through its nets are counted in the machine code.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cuda_compilers import NVCC, by_nvcc, by_nvrtc, disassembler, loops, nvrtc_libraries
from cuda_shim import device

import pwl.kernels

SOURCES = (
    "activations", "curves", "curve_sums", "net_sums", "input_curves", "pooling", "convolution", "tensor_convolution", "sums",
    "softmax", "updates",
)  # fmt: skip
ARCHITECTURES = ("sm_80", "sm_90")
LOCAL = {"input_curves": 0, "tensor_convolution": 0}  # bytes of local memory: the registers suffice for all of their instances
MORE = {("tensor_convolution", "sm_80"): 8}  # docs/gpu.md, "Limits"


@pytest.fixture(scope="module")
def gpu(compiled):
    return device.engine(compiled)


def instances(gpu, source: str) -> tuple[str, ...]:
    return getattr(gpu, source).INSTANCES


def test_every_source_has_an_engine():
    assert {f.stem for f in (Path(pwl.kernels.__file__).parent / "cuda").glob("*.cu")} == set(SOURCES)


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="nvcc was not found")
@pytest.mark.skipif(bool(nvrtc_libraries()), reason="NVRTC compiles them")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", SOURCES)
def test_nvcc_compiles(gpu, source, architecture, tmp_path):
    local = MORE.get((source, architecture), LOCAL.get(source))
    assert by_nvcc(gpu.launch, source, instances(gpu, source), architecture, tmp_path, local).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.skipif(not nvrtc_libraries(), reason="NVRTC's wheel (nvidia-cuda-nvrtc) is not installed")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", SOURCES)
def test_nvrtc_compiles(gpu, source, architecture, tmp_path):
    local = MORE.get((source, architecture), LOCAL.get(source))
    assert by_nvrtc(gpu.launch, source, instances(gpu, source), architecture, tmp_path, local).stat().st_size > 0


# ---- instructions of the main loop: of each net, or of each multiply-add

FEW = {  # source, instance: what is counted in the loop, how many nets that stands for, most instructions per net
    "value": ("curves", "curve<float, 4, true, false>", "LDG.E.128", 4, 18),
    "value and slope": ("curves", "curve<float, 4, true, true>", "LDG.E.128", 4, 25),
    "back": ("curves", "back<float, 4, true, 1>", "STG.E.128", 4, 16),
    "times slope": ("curves", "back<float, 4, true, 0>", "STG.E.128", 4, 16),
    "mix": ("curve_sums", "mix<float, 4, true>", "LDG.E.128", 4, 21),
    "scatter": ("curve_sums", "scatter<float, 4, 64, true, 0>", "LDG.E.128", 2, 24),
    "back scatter": ("curve_sums", "scatter<float, 4, 64, true, 1>", "LDG.E.128", 4, 25),
    "mix in double": ("curve_sums", "mix<double, 2, true>", "LDG.E.128", 2, 52),
    "scatter in double": ("curve_sums", "scatter<double, 2, 64, true, 0>", "LDG.E.128", 1, 40),
    "products for mix": ("net_sums", "mix_nets<float, 4>", "FFMA", 1, 1.3),
    "products for scatter": ("net_sums", "scatter_nets<float, 4, 64>", "FFMA", 1, 1.3),
    "products in double": ("net_sums", "mix_nets<double, 2>", "DFMA", 1, 1.5),
}


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None and not nvrtc_libraries(), reason="neither nvcc nor NVRTC's wheel was found")
@pytest.mark.skipif(len(disassembler()) < 2, reason="no disassembler (pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm)")
@pytest.mark.parametrize("what", FEW)
def test_instructions_per_net(gpu, what, tmp_path):
    source, instance, name, each, most = FEW[what]
    compile_ = by_nvrtc if nvrtc_libraries() else by_nvcc
    found = loops(compile_(gpu.launch, source, (instance,), "sm_90", tmp_path))
    per_net = {len(loop) / (each * sum(name in line for line in loop)) for loop in found if any(name in line for line in loop)}
    inner = min(per_net)  # loops around it count more
    assert 1 < inner <= most, f"{inner:.1f} instructions per net"
