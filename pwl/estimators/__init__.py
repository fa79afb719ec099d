"""Networks as scikit-learn estimators: `PWLRegressor` and `PWLClassifier`. They need the extra `pwl[sklearn]`."""

from pwl.estimators.classifier import PWLClassifier
from pwl.estimators.regressor import PWLRegressor
from pwl.estimators.skl2onnx import register_skl2onnx

__all__ = ["PWLClassifier", "PWLRegressor", "register_skl2onnx"]
