"""Networks as scikit-learn estimators: `PWLRegressor` and `PWLClassifier`. They need the extra `pwl[sklearn]`."""

from pwl.estimators.classifier import PWLClassifier
from pwl.estimators.regressor import PWLRegressor

__all__ = ["PWLClassifier", "PWLRegressor"]
