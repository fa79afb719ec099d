"""CUDA's compilers and disassembler, where they are installed: nvcc, NVRTC from its wheel, cuobjdump."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

NVCC = shutil.which("nvcc")


def of_wheels(name: str) -> list[str]:
    """Files of this name in NVIDIA's wheels; none where they are not installed."""
    spec = importlib.util.find_spec("nvidia")
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    return [str(file) for place in places for file in sorted(Path(place).rglob(name))]


def nvrtc_libraries() -> list[str]:
    """NVRTC's libraries out of its wheel, first the one that the other looks for; none where it is not installed."""
    found = of_wheels("libnvrtc-builtins.so.*")
    return [found[0], *map(str, Path(found[0]).parent.glob("libnvrtc.so.*"))] if found else []


def disassembler() -> list[str]:
    """cuobjdump and the nvdisasm that it runs, from the path or their wheels; fewer where they are not installed."""
    tools = ("cuobjdump", "nvdisasm")
    return [path for tool in tools if (path := next(iter((*filter(None, [shutil.which(tool)]), *of_wheels(tool))), None))]


LOCAL = ("--warn-on-spills", "--warn-on-local-memory-usage")  # options of the assembler: registers do not suffice


def bytes_of_local_memory(log: str) -> int:
    """The most that one kernel keeps there, by the assembler's warnings."""
    return max((int(size) for size in re.findall(r"size of stack frame: (\d+) bytes", log)), default=0)


def by_nvcc(
    launch: ModuleType, source: str, instances: tuple[str, ...], architecture: str, folder: Path, local: int | None = None
) -> Path:
    """The machine code of a source's instances. What the compiler warns of is a failure, and so are more bytes of local memory
    than allowed; None allows any number."""
    kernels = ", ".join(f"(void*){name}" for name in instances)
    text = f"{launch.code(source + '.cu')}\nvoid* kernels[] = {{{kernels}}};\n"
    (folder / "source.cu").write_text(text, encoding="ascii")
    options = [*launch.OPTIONS, f"-arch={architecture}", "-cubin", "-Werror", "all-warnings"]
    options += [] if local is None else ["-Xptxas", ",".join(LOCAL)]
    command = [str(NVCC), *options, "source.cu", "-o", "source.cubin"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert local is None or bytes_of_local_memory(done.stderr) <= local, done.stderr
    return folder / "source.cubin"


def by_nvrtc(
    launch: ModuleType, source: str, instances: tuple[str, ...], architecture: str, folder: Path, local: int | None = None
) -> Path:
    """The same by NVRTC, with CuPy's own way of naming instances."""
    nvrtc, program = [ctypes.CDLL(path) for path in nvrtc_libraries()][-1], ctypes.c_void_p()
    text = launch.code(f"{source}.cu").encode("ascii")
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"source.cu", 0, None, None) == 0
    for name in instances:
        assert nvrtc.nvrtcAddNameExpression(program, name.encode("ascii")) == 0
    given = [*launch.OPTIONS, f"--gpu-architecture={architecture}"]
    given += [] if local is None else [f"--ptxas-options={option}" for option in LOCAL]
    options = [option.encode("ascii") for option in given]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    assert not failed, log.value.decode()
    assert local is None or bytes_of_local_memory(log.value.decode()) <= local, log.value.decode()
    for name in instances:
        lowered = ctypes.c_char_p()
        assert nvrtc.nvrtcGetLoweredName(program, name.encode("ascii"), ctypes.byref(lowered)) == 0
        assert lowered.value
    assert nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0
    cubin = ctypes.create_string_buffer(size.value)
    assert nvrtc.nvrtcGetCUBIN(program, cubin) == 0
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    (folder / "source.cubin").write_bytes(cubin.raw)
    return folder / "source.cubin"


def loops(cubin: Path) -> Iterator[list[str]]:
    """The instructions of every loop of the one kernel in some machine code."""
    tools = disassembler()
    path = os.pathsep.join((*(str(Path(tool).parent) for tool in tools), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path}
    text = subprocess.run([tools[0], "-sass", str(cubin)], capture_output=True, text=True, check=True, env=environment).stdout
    code = [(int(at, 16), what.strip()) for at, what in re.findall(r"/\*([0-9a-f]{4,5})\*/\s+([^;/]+);", text)]
    assert code, text[:1000]
    for at, what in code:
        jump = re.search(r"\bBRA\b.*?0x([0-9a-f]+)", what)
        if jump and int(jump[1], 16) < at:
            yield [other for place, other in code if int(jump[1], 16) <= place <= at]
