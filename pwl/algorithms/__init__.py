"""Training algorithms, one file per method. `algorithm.py` has the contract that all of them keep.

An algorithm is a frozen value with `init(net, patterns, key) -> state` and `step(net, patterns, state) -> Step`. A step is
one update on some patterns. States are NamedTuples of arrays and numbers, so that a run can be saved and resumed.
"""

from pwl.algorithms.adact import AdAct, adact_step
from pwl.algorithms.adam import Adam
from pwl.algorithms.algorithm import Algorithm, Info, Step, Stop
from pwl.algorithms.bayesian_lm import BayesianLM
from pwl.algorithms.cg import CG
from pwl.algorithms.damped import DampedMOLF, damped_molf_step
from pwl.algorithms.damped_adact import DampedAdAct
from pwl.algorithms.lbfgs import LBFGS
from pwl.algorithms.lm import LM
from pwl.algorithms.minibatch_adact import MinibatchAdAct
from pwl.algorithms.molf import MOLF, molf_step
from pwl.algorithms.owo import owo_step
from pwl.algorithms.owo_bp import OWOBP, owo_bp_step
from pwl.algorithms.predictive import with_posterior
from pwl.algorithms.scg import SCG
from pwl.algorithms.sgd import SGD
from pwl.algorithms.varpro import VarPro

__all__ = [
    "CG",
    "LBFGS",
    "LM",
    "MOLF",
    "OWOBP",
    "SCG",
    "SGD",
    "AdAct",
    "Adam",
    "Algorithm",
    "BayesianLM",
    "DampedAdAct",
    "DampedMOLF",
    "Info",
    "MinibatchAdAct",
    "Step",
    "Stop",
    "VarPro",
    "adact_step",
    "damped_molf_step",
    "molf_step",
    "owo_bp_step",
    "owo_step",
    "with_posterior",
]
