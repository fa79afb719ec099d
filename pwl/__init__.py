"""pwl: second-order training of small neural networks with trainable piecewise-linear activations."""

from pwl import activations, algorithms, data, layers
from pwl.activations import PiecewiseLinear
from pwl.algorithms import MOLF, OWOBP, AdAct, adact_step, molf_step, owo_bp_step, owo_step
from pwl.checkpoint import Checkpoint
from pwl.errors import InputError
from pwl.initialise import initialise
from pwl.insert_hinge import insert_hinge
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
    "MOLF",
    "OLS",
    "OWOBP",
    "AdAct",
    "Checkpoint",
    "InputError",
    "Network",
    "Patterns",
    "Penalties",
    "PiecewiseLinear",
    "Preparation",
    "Record",
    "activations",
    "adact_step",
    "algorithms",
    "data",
    "evaluate",
    "initialise",
    "insert_hinge",
    "layers",
    "molf_step",
    "owo_bp_step",
    "owo_step",
    "train",
]
