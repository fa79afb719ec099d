"""pwl: second-order training of small neural networks with trainable piecewise-linear activations."""

import pwl.early  # noqa: F401 - first, so that from here on Ctrl-C ends the command in a sentence

# isort: split
import importlib
from typing import TYPE_CHECKING, Any

from pwl import activations, algorithms, data, layers, models
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
    DampedAdAct,
    DampedMOLF,
    MinibatchAdAct,
    VarPro,
    adact_step,
    damped_molf_step,
    molf_step,
    owo_bp_step,
    owo_step,
    with_posterior,
)
from pwl.algorithms.penalties import Penalties
from pwl.data.augmentation import Augmentation
from pwl.data.preparation import Preparation
from pwl.errors import InputError
from pwl.learners.ensemble import Ensemble
from pwl.learners.finetune import finetune
from pwl.learners.finish import finish
from pwl.network.insert_hinge import insert_hinge
from pwl.network.network import Network
from pwl.reductions.patterns import Patterns
from pwl.runtime.ranks import ranks
from pwl.solvers.least_squares import least_squares
from pwl.solvers.levenberg_marquardt import Damping
from pwl.solvers.ols import OLS
from pwl.training import schedules
from pwl.training.checkpoint import Checkpoint
from pwl.training.initialise import initialise
from pwl.training.insert_input_hinge import insert_input_hinge
from pwl.training.record import Record
from pwl.training.train import evaluate, train
from pwl.version import VERSION

if TYPE_CHECKING:
    from pwl import plots
    from pwl.study.check import check
    from pwl.study.compare import compare

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
    "DampedAdAct",
    "DampedMOLF",
    "Damping",
    "Ensemble",
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
    "check",
    "compare",
    "damped_molf_step",
    "data",
    "evaluate",
    "finetune",
    "finish",
    "initialise",
    "insert_hinge",
    "insert_input_hinge",
    "layers",
    "least_squares",
    "models",
    "molf_step",
    "owo_bp_step",
    "owo_step",
    "plots",
    "ranks",
    "schedules",
    "train",
    "with_posterior",
]


LATER = {"plots": "pwl.plots", "check": "pwl.study.check", "compare": "pwl.study.compare"}  # a quarter of the time of an import


def __getattr__(name: str) -> Any:
    """What is imported only when it is asked for: pictures and studies, and the estimators, whose scikit-learn is an extra."""
    if name in LATER:
        module = importlib.import_module(LATER[name])
        return module if name == "plots" else getattr(module, name)
    if name in ("PWLRegressor", "PWLClassifier"):
        try:
            estimators = importlib.import_module("pwl.estimators")
        except ModuleNotFoundError as missing:
            raise ImportError(f"pwl.{name} needs scikit-learn: pip install 'pwl[sklearn]'") from missing
        return getattr(estimators, name)
    raise AttributeError(f"module 'pwl' has no attribute {name!r}")
