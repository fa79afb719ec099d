"""scikit-learn pipelines with the estimators as ONNX models, by skl2onnx."""

from __future__ import annotations

import numpy as np
import pytest

import pwl

skl2onnx = pytest.importorskip("skl2onnx", reason="pipelines are converted by skl2onnx")
types = pytest.importorskip("skl2onnx.common.data_types")
runtime = pytest.importorskip("onnxruntime", reason="ONNX models are run by ONNX Runtime")
Pipeline = pytest.importorskip("sklearn.pipeline").Pipeline
StandardScaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
estimators = pytest.importorskip("pwl.estimators")
PWLClassifier, PWLRegressor = estimators.PWLClassifier, estimators.PWLRegressor

QUICK = {"hidden": 5, "activation": "tanh", "algorithm": pwl.LM(), "iterations": 5}


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)) * [1, 20, 0.1] + [100, 0, 1]
    return x, np.sin(x[:, 0]) + x[:, 1] / 20


def run(model, x):
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def converted(estimator, dtype=np.float64, **options):
    estimators.register_skl2onnx()
    kind = {np.float64: types.DoubleTensorType, np.float32: types.FloatTensorType, np.int64: types.Int64TensorType}[
        dtype
    ]
    return skl2onnx.convert_sklearn(estimator, initial_types=[("x", kind([None, 3]))], target_opset=17, **options)


@pytest.mark.parametrize("settings", [QUICK, {"max_seconds": 0.5}], ids=["one network", "the default learner"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_pipeline_of_a_scaler_and_a_regressor(settings, dtype, tolerance):
    x, t = data()
    pipeline = Pipeline([("scaler", StandardScaler()), ("net", PWLRegressor(**settings))]).fit(x, t)
    (y,) = run(converted(pipeline, dtype), x.astype(dtype))
    wanted = pipeline.predict(x.astype(dtype).astype(float))
    assert y.dtype == dtype and y.shape == (120, 1)
    np.testing.assert_allclose(y[:, 0], wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("labels", [["a", "b", "c"], [3, -1, 7], [0.0, 1.0, 2.0], [False, True, True]], ids=str)
def test_a_classifier_gives_its_labels_and_probabilities(labels):
    x, t = data()
    words = np.array(labels)[np.digitize(t, [-0.5, 0.5])]
    pipeline = Pipeline([("scaler", StandardScaler()), ("net", PWLClassifier(5, "tanh", iterations=5))]).fit(x, words)
    label, p = run(converted(pipeline, options={"zipmap": False}), x)
    assert label.tolist() == pipeline.predict(x).tolist()
    np.testing.assert_allclose(p, pipeline.predict_proba(x), rtol=0, atol=1e-12)


def test_a_dictionary_of_probabilities_is_skl2onnxs_default():
    """Its operator ZipMap takes float32 alone."""
    x, t = data()
    _, p = run(converted(PWLClassifier(3, "tanh", iterations=2).fit(x, t > 0), np.float32), x.astype(np.float32))
    assert set(p[0]) == {0, 1} and abs(sum(p[0].values()) - 1) < 1e-6


def test_missing_inputs_are_filled():
    x, t = data()
    x[::7, 1] = np.nan
    net = PWLRegressor(**QUICK, missing="mean").fit(x, t)
    np.testing.assert_allclose(run(converted(net), x)[0][:, 0], net.predict(x), rtol=0, atol=1e-12)


def test_whole_numbers_as_inputs():
    x, t = data()
    x = np.round(x).astype(np.int64)
    net = PWLRegressor(**QUICK).fit(x, t)
    wanted = net.predict(x)
    np.testing.assert_allclose(
        run(converted(net, np.int64), x)[0][:, 0], wanted, rtol=0, atol=1e-5 * np.abs(wanted).max()
    )


def test_several_targets():
    x, t = data()
    net = PWLRegressor(**QUICK).fit(x, np.stack([t, 100 * t**2], axis=1))
    np.testing.assert_allclose(run(converted(net), x)[0], net.predict(x), rtol=1e-12)


def test_what_cannot_be_converted_is_said():
    x, t = data()
    with pytest.raises(pwl.InputError, match="not fitted"):
        converted(PWLRegressor())
    with pytest.raises(pwl.InputError, match="output_reset"):
        converted(PWLClassifier(3, "tanh", iterations=2, loss="output_reset").fit(x, t > 0))
