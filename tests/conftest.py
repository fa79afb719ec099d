"""What the tests share: where the data are, two cores wherever they run, and kernels compiled once for all processes."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a core of its own; set before NumPy loads its BLAS
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes are started here: modules are compiled once for them

import numpy as np

CORE = (
    "test_batch_norm", "test_cg", "test_curves", "test_dropout", "test_factors", "test_first_order", "test_golden", "test_losses",
    "test_gradients", "test_layers", "test_lm", "test_net_control", "test_owo", "test_patterns", "test_threads",
    "test_train", "test_varpro",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ranks", type=int, default=1, help="ranks, threads of one process, that share the patterns of each training")


@pytest.fixture(autouse=True)
def _several_ranks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --ranks, `pwl.train`, `pwl.initialise` and the doors of toys.py are those of several ranks."""
    if (count := request.config.getoption("--ranks")) > 1:
        import fake_ranks

        import pwl

        monkeypatch.setattr(fake_ranks.Asked, "ranks", count)
        for name in ("train", "initialise"):
            monkeypatch.setattr(pwl, name, fake_ranks.by_ranks(getattr(pwl, name)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what is in the core: the files above, except what is slow, and tests that carry the mark themselves."""
    for item in items:
        if config.getoption("--ranks") > 1 and item.get_closest_marker("one_process") is not None:
            item.add_marker(pytest.mark.skip(reason="it compares bits, counts calls or catches warnings"))
        if item.path.stem in CORE and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.core)


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A device: `array` and `net` move there; xp is the namespace. Skips where there is no GPU."""
    from pwl.errors import InputError
    from pwl.runtime.backend import namespace_named

    if request.param == "gpu":
        try:
            xp = namespace_named("cuda")
        except InputError as reason:
            pytest.skip(str(reason))
    else:
        import array_api_strict as xp
        from fake_device import install

        install(monkeypatch)
    return SimpleNamespace(xp=xp, array=lambda a: None if a is None else xp.asarray(a), net=lambda net: net.to(xp))


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder's two sets in small: 8x8 images of noise, brighter in one of ten places, ten classes."""
    import pwl

    rng = np.random.default_rng(0)

    def load(name, part="train"):
        Nv, channels = (700, 3) if name == "cifar-10" else (400 if part == "train" else 100, 1)
        t = np.arange(Nv) % 10
        x = rng.integers(0, 120, (Nv, 8, 8, channels), dtype=np.uint8)
        x[np.arange(Nv), t % 8, t // 2] += 100
        return x, t

    monkeypatch.setattr(pwl.data, "load", load)


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder of the data sets, PWL_DATA_HOME; tests that need real data are skipped where it is not set."""
    home = os.environ.get("PWL_DATA_HOME", "")
    if not home:
        pytest.skip("PWL_DATA_HOME is not set: it names the folder of the data sets")
    if not Path(home).is_dir():
        pytest.skip(f"PWL_DATA_HOME is {home}, which is not a folder")
    return Path(home)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads for blocks of patterns, whatever the machine has and OMP_NUM_THREADS says."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture(scope="session")
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the CUDA kernels compiled as C++: pytest's cache if there is one, which all processes and runs share."""
    if (cache := getattr(request.config, "cache", None)) is not None:
        return cache.mkdir("cuda_shim")
    base = tmp_path_factory.getbasetemp()  # of this process; those of a run have one parent
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cuda_shim"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def write(tmp_path):
    def _write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("PWL_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder and the address under which a local server gives its files."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@pytest.fixture(scope="session", params=["shim", pytest.param("device", marks=pytest.mark.gpu)])
def gpu(request, compiled):
    """The GPU engine, on the shim and where there is a GPU on it."""
    from cuda_engine import on_cupy, on_shim

    return on_cupy() if request.param == "device" else on_shim(compiled)


@pytest.fixture
def aligned(capfd):
    """No kernel moves a vector from or to an address that isn't a multiple of its size: the compiler's checks say so."""
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        yield
    assert "runtime error" not in capfd.readouterr().err


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The test runs in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick_pictures(monkeypatch):
    """Names of the pictures that a comparison draws; the files of others stay empty, because drawing takes most of its time."""
    from pwl.plots import pictures

    drawn, svg = set(), pictures.svg
    empty = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt"></svg>'
    monkeypatch.setattr(pictures, "svg", lambda figure, name: svg(figure, name) if name in drawn else empty)
    return drawn


@pytest.fixture
def houses(tmp_path):
    """A small table: two numbers, a letter, a target."""
    rng = np.random.default_rng(0)
    lines = ["size,age,town,price"]
    for _ in range(60):
        size, age, town = rng.uniform(50, 200), rng.integers(0, 40), rng.choice(["A", "B"])
        lines.append(f"{size:.1f},{age},{town},{1000 * size - 500 * age + (20000 if town == 'A' else 0):.0f}")
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "houses.csv"


@pytest.fixture
def flowers(tmp_path):
    """A small table of two numbers and a class."""
    rng = np.random.default_rng(0)
    lines = ["length;width;species"]
    for _ in range(90):
        length, width = rng.normal(size=2)
        lines.append(f"{length:.3f};{width:.3f};{'rose' if length * width > 0 else 'tulip'}")
    (tmp_path / "flowers.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "flowers.csv"


@pytest.fixture(scope="session")
def regression():
    """What a comparison of two algorithms found, and its folds."""
    import comparisons

    return comparisons.regression()


@pytest.fixture(scope="session")
def classification():
    """What a comparison on classes found, and its folds."""
    import comparisons

    return comparisons.classification()
