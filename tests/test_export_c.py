"""Networks as headers in C: equal to `predict` over random networks of every kind, compiled without a warning, and sanitised."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exported_nets import SETTINGS, any_nets, check_equal, classes_of, cnns, ensembles, mlps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pwl
from pwl.export.compiled import FLAGS, Compiled, compiler

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="headers are compiled by cc, which is not there"),
    pytest.mark.filterwarnings("ignore:.*fewer than:UserWarning"),
]
DTYPES = st.sampled_from([np.float32, np.float64])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("headers")


def check(net, x, dtype, folder):
    net.to_c(folder / "net.h", dtype=dtype)
    y, numbers = Compiled(folder / "net.h").predict(x.astype(dtype))
    check_equal(y, classes_of(net)[numbers] if net.loss.classes else None, net, x, dtype)


@settings(max_examples=10, suppress_health_check=SLOW, **SETTINGS)
@given(case=mlps(), dtype=DTYPES)
def test_multilayer_perceptrons(case, dtype, folder):
    check(*case, dtype, folder)


@settings(max_examples=60, suppress_health_check=SLOW, **SETTINGS)
@given(case=mlps(), dtype=DTYPES)
@pytest.mark.slow
def test_many_multilayer_perceptrons(case, dtype, folder):
    check(*case, dtype, folder)


@settings(max_examples=15, suppress_health_check=SLOW, **SETTINGS)
@given(case=cnns(), dtype=DTYPES)
@pytest.mark.slow
def test_networks_for_images(case, dtype, folder):
    check(*case, dtype, folder)


@settings(max_examples=5, suppress_health_check=SLOW, **SETTINGS)
@given(case=ensembles(), dtype=DTYPES)
def test_ensembles(case, dtype, folder):
    check(*case, dtype, folder)


# ---- under the sanitisers, in one program of many headers

PROGRAM = """#include <stdio.h>
#include <stdlib.h>
{includes}
int main(void)
{{
    {calls}
    return 0;
}}
"""
CALL = """{{   /* arrays of exactly the sizes that the header asks for, on the heap, where the sanitiser sees their ends */
        {name}_real *x = malloc({upper}_INPUTS * sizeof *x), *y = malloc({upper}_OUTPUTS * sizeof *y);
        {name}_real *work = malloc({upper}_WORK * sizeof *work);
        FILE *in = fopen("{name}.in", "rb"), *out = fopen("{name}.out", "wb");
        while (fread(x, sizeof *x, {upper}_INPUTS, in) == {upper}_INPUTS) {{
            {name}_predict(x, y, work);
            fwrite(y, sizeof *y, {upper}_OUTPUTS, out);
        }}
        fclose(in), fclose(out), free(x), free(y), free(work);
    }}"""


@pytest.mark.slow
def test_sanitisers_find_nothing(tmp_path):
    """Memory and arithmetic of 25 networks: address and undefined behaviour, and inputs that are not numbers."""
    cases = []

    @settings(max_examples=25, suppress_health_check=SLOW, database=None, **SETTINGS)
    @given(any_nets(), DTYPES)
    def collect(case, dtype):
        cases.append((*case, dtype))

    collect()
    for i, (net, x, dtype) in enumerate(cases):
        net.to_c(tmp_path / f"net{i}.h", dtype=dtype)
        wild = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30])[:, None] * np.ones((1, x[0].size))
        np.concatenate([x.reshape(len(x), -1), wild]).astype(dtype).tofile(tmp_path / f"net{i}.in")
    names = [f"net{i}" for i in range(len(cases))]
    includes = "\n".join(f'#include "{name}.h"' for name in names)
    calls = "\n    ".join(CALL.format(name=name, upper=name.upper()) for name in names)
    (tmp_path / "main.c").write_text(PROGRAM.format(includes=includes, calls=calls))
    flags = [flag for flag in FLAGS if flag != "-O2"] + ["-O1", "-g", "-fno-sanitize-recover=all"]
    build = [compiler(), *flags, "-fsanitize=address,undefined,float-cast-overflow", "main.c", "-o", "main", "-lm"]
    subprocess.run(build, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    for i, (net, x, dtype) in enumerate(cases):
        y = np.fromfile(tmp_path / f"net{i}.out", dtype).reshape(len(x) + 5, -1)
        numbers = np.argmax(y[: len(x)], axis=1)
        check_equal(y[: len(x)], classes_of(net)[numbers] if net.loss.classes else None, net, x, dtype)


def test_the_sanitisers_would_find_a_work_space_that_is_too_small(tmp_path):
    net = pwl.Network.from_layers([pwl.layers.Dense(4), "relu", pwl.layers.Dense(1)], (2,), loss="squared_error")
    text = net.to_c()
    assert "#define NET_WORK 4" in text
    (tmp_path / "net.h").write_text(text.replace("#define NET_WORK 4", "#define NET_WORK 3"))
    np.zeros(2, np.float32).tofile(tmp_path / "net.in")
    calls = CALL.format(name="net", upper="NET")
    (tmp_path / "main.c").write_text(PROGRAM.format(includes='#include "net.h"', calls=calls))
    subprocess.run([compiler(), "-fsanitize=address", "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stderr


# ---- one network by hand


def test_a_network_of_one_unit_reads_like_its_formula(tmp_path):
    """y = 4 + 3 x + 2 max(0, 1 + 5 x), and nothing else in the header's numbers."""
    net = pwl.Network.mlp(1, 1, 1, "relu", W=[[1.0, 5.0]], net_control=False)
    net = pwl.initialise(net, (np.linspace(-1, 1, 9)[:, None], np.zeros((9, 1)))).with_head(np.array([[4.0, 3.0, 2.0]]))
    text = net.to_c(tmp_path / "one.h")
    assert text == Path(tmp_path / "one.h").read_text()
    for line in ("one_direct_thresholds[1] = { /* 1 */\n    4.0,", "one_direct_W[1] = { /* 1 x 1 */\n    3.0,",
                 "one_0_W[1] = { /* 1 x 1 */\n    5.0,", "one_W_oh[1] = { /* 1 x 1 */\n    2.0,", "one_relu(1, s1);"):  # fmt: skip
        assert line in text
    assert "exp(" not in text and "malloc" not in text and text.count("#include") == 1
    y, _ = Compiled(tmp_path / "one.h").predict([[-1.0], [2.0]])
    assert y.tolist() == [[1.0], [4 + 6 + 22.0]]


def test_float_headers_hold_no_double(tmp_path):
    net = pwl.models.vgg(1, pwl.PiecewiseLinear("tanh", 5), input_shape=(8, 8, 1), n_classes=3)
    text = net.to_c(tmp_path / "net.h")
    assert "double" not in text and "expf(" in text and "typedef float net_real;" in text
    Compiled(tmp_path / "net.h", (*FLAGS, "-Wdouble-promotion", "-Wconversion", "-Wno-float-conversion", "-pedantic"))


def test_classes_are_named(tmp_path):
    labels = ["low", 'mi"d\\', "höch??/9"]
    x, t = np.arange(9.0)[:, None], np.array(labels)[np.arange(9) % 3]
    net = pwl.Network.mlp(1, 2, 3, "tanh", loss="cross_entropy").with_preparation(
        pwl.Preparation.fit(x, t, classes=labels)
    )
    net = pwl.initialise(net, (x, t))
    net.to_c(tmp_path / "net.h", names=["height */ in cm"])
    (tmp_path / "main.c").write_text(
        '#include "net.h"\n#include <stdio.h>\n'
        'int main(void) { for (int k = 0; k < NET_OUTPUTS; k++) printf("%s\\n", net_classes[k]); return 0; }\n'
    )
    subprocess.run([compiler(), *FLAGS, "-Wtrigraphs", "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == labels
    assert "0 height * / in cm" in (tmp_path / "net.h").read_text()
