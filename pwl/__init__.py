"""pwl: second-order training of small neural networks with trainable piecewise-linear activations."""

import importlib
from typing import Any

from pwl import activations, algorithms, data, layers, models, plots, schedules
from pwl.activations import APL, PLU, PiecewiseLinear, ScaledActivation, Spline
from pwl.algorithms import (
    CG,
    LBFGS,
    LM,
    MOLF,
    OWOBP,
    SCG,
    SGD,
    AdAct,
    Adam,
    BayesianLM,
    MinibatchAdAct,
    VarPro,
    adact_step,
    molf_step,
    owo_bp_step,
    owo_step,
)
from pwl.augmentation import Augmentation
from pwl.checkpoint import Checkpoint
from pwl.damping import Damping
from pwl.errors import InputError
from pwl.initialise import initialise
from pwl.insert_hinge import insert_hinge
from pwl.least_squares import least_squares
from pwl.network import Network
from pwl.ols import OLS
from pwl.patterns import Patterns
from pwl.penalties import Penalties
from pwl.preparation import Preparation
from pwl.record import Record
from pwl.train import evaluate, train
from pwl.version import VERSION

__version__ = VERSION

__all__ = [
    "APL",
    "CG",
    "LBFGS",
    "LM",
    "MOLF",
    "OLS",
    "OWOBP",
    "PLU",
    "SCG",
    "SGD",
    "AdAct",
    "Adam",
    "Augmentation",
    "BayesianLM",
    "Checkpoint",
    "Damping",
    "InputError",
    "MinibatchAdAct",
    "Network",
    "Patterns",
    "Penalties",
    "PiecewiseLinear",
    "Preparation",
    "Record",
    "ScaledActivation",
    "Spline",
    "VarPro",
    "activations",
    "adact_step",
    "algorithms",
    "data",
    "evaluate",
    "initialise",
    "insert_hinge",
    "layers",
    "least_squares",
    "models",
    "molf_step",
    "owo_bp_step",
    "owo_step",
    "plots",
    "schedules",
    "train",
]


def __getattr__(name: str) -> Any:
    """The scikit-learn estimators, imported when they are asked for: scikit-learn is an extra."""
    if name in ("PWLRegressor", "PWLClassifier"):
        try:
            estimators = importlib.import_module("pwl.estimators")
        except ModuleNotFoundError as missing:
            raise ImportError(f"pwl.{name} needs scikit-learn: pip install 'pwl[sklearn]'") from missing
        return getattr(estimators, name)
    raise AttributeError(f"module 'pwl' has no attribute {name!r}")
