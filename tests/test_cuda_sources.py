"""The CUDA sources compile for real devices: by NVRTC, which CuPy uses, else by nvcc. No device is needed for that."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest
from cuda_shim import device

import pwl.kernels

SOURCES = ("curves", "curve_sums", "net_sums", "pooling", "convolution", "sums", "softmax", "updates")
ARCHITECTURES = ("sm_80", "sm_90")
NVCC = shutil.which("nvcc")


@pytest.fixture(scope="module")
def gpu(compiled):
    return device.engine(compiled)


def instances(gpu, source: str) -> tuple[str, ...]:
    return getattr(gpu, source).INSTANCES


def nvrtc_libraries() -> list[str]:
    """NVRTC's libraries out of its wheel, first the one that the other looks for; none where it is not installed."""
    spec = importlib.util.find_spec("nvidia")
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [f for place in places for f in sorted(Path(place).rglob("libnvrtc-builtins.so.*"))]
    return [str(found[0]), *map(str, found[0].parent.glob("libnvrtc.so.*"))] if found else []


def test_every_source_has_an_engine():
    assert {f.stem for f in (Path(pwl.kernels.__file__).parent / "cuda").glob("*.cu")} == set(SOURCES)


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="nvcc was not found")
@pytest.mark.skipif(bool(nvrtc_libraries()), reason="NVRTC compiles them")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", SOURCES)
def test_nvcc_compiles(gpu, source, architecture, tmp_path):
    kernels = ", ".join(f"(void*){name}" for name in instances(gpu, source))
    text = gpu.launch.code(f"{source}.cu")
    (tmp_path / "source.cu").write_text(f"{text}\nvoid* kernels[] = {{{kernels}}};\n", encoding="ascii")
    options = [*gpu.launch.OPTIONS, f"-arch={architecture}", "-cubin", "-Werror", "all-warnings"]
    command = [str(NVCC), *options, "source.cu", "-o", "source.cubin"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "source.cubin").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.skipif(not nvrtc_libraries(), reason="NVRTC's wheel (nvidia-cuda-nvrtc) is not installed")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", SOURCES)
def test_nvrtc_compiles(gpu, source, architecture):
    nvrtc, program = [ctypes.CDLL(path) for path in nvrtc_libraries()][-1], ctypes.c_void_p()
    text = gpu.launch.code(f"{source}.cu").encode("ascii")
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"source.cu", 0, None, None) == 0
    for name in instances(gpu, source):
        assert nvrtc.nvrtcAddNameExpression(program, name.encode("ascii")) == 0
    options = [option.encode("ascii") for option in (*gpu.launch.OPTIONS, f"--gpu-architecture={architecture}")]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    assert not failed, log.value.decode()
    for name in instances(gpu, source):
        lowered = ctypes.c_char_p()
        assert nvrtc.nvrtcGetLoweredName(program, name.encode("ascii"), ctypes.byref(lowered)) == 0
        assert lowered.value
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
