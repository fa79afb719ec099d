"""Training algorithms: frozen values with `init(net, patterns, key) -> state` and `step(net, patterns, state)`.

A step is one update on the patterns given; it returns the new network, the new state and what to record. States
hold arrays and numbers only, so that a run can be written down and resumed.
"""

from pwl.algorithms.adact import AdAct, adact_step
from pwl.algorithms.adam import Adam
from pwl.algorithms.bayesian_lm import BayesianLM
from pwl.algorithms.cg import CG
from pwl.algorithms.lbfgs import LBFGS
from pwl.algorithms.lm import LM
from pwl.algorithms.minibatch_adact import MinibatchAdAct
from pwl.algorithms.molf import MOLF, molf_step
from pwl.algorithms.owo import owo_step
from pwl.algorithms.owo_bp import OWOBP, owo_bp_step
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
    "BayesianLM",
    "MinibatchAdAct",
    "VarPro",
    "adact_step",
    "molf_step",
    "owo_bp_step",
    "owo_step",
]
