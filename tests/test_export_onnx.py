"""Networks as ONNX models: equal to `predict` over random networks of every kind, by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exported_nets import SETTINGS, check_equal, cnns, ensembles, mlps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx", reason="exports to ONNX need the package onnx")
runtime = pytest.importorskip("onnxruntime", reason="ONNX models are run by ONNX Runtime")

pytestmark = pytest.mark.filterwarnings("ignore:.*fewer than:UserWarning")
DTYPES = st.sampled_from([np.float32, np.float64])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def run(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs by name of a model that passes the checks of the package onnx."""
    onnx.checker.check_model(model, full_check=True)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [end.name for end in session.get_outputs()]
    return dict(zip(names, session.run(names, {"x": x}), strict=True))


def check(net: Any, x: np.ndarray, dtype: Any) -> None:
    found = run(net.to_onnx(dtype=dtype), x.astype(dtype))
    last = "y" if not net.loss.classes else "probabilities" if net.loss.probabilities else "scores"
    assert set(found) == {last} | ({"label"} if net.loss.classes else set())
    check_equal(found[last], found.get("label"), net, x, dtype)


@settings(max_examples=50, suppress_health_check=SLOW, **SETTINGS)
@given(mlps(), DTYPES)
def test_multilayer_perceptrons(case, dtype):
    check(*case, dtype)


@settings(max_examples=30, suppress_health_check=SLOW, **SETTINGS)
@given(cnns(), DTYPES)
def test_networks_for_images(case, dtype):
    check(*case, dtype)


@settings(max_examples=12, suppress_health_check=SLOW, **SETTINGS)
@given(ensembles(), DTYPES)
def test_ensembles(case, dtype):
    check(*case, dtype)
