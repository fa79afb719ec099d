"""Pictures of training and of trained networks. Each function gives a matplotlib Figure.

Training: `errors(records)` and `classification_errors(records)`.
A run: `training_state(record)`.
Parts of the patterns: `regression(net, parts)` and `error_histogram(net, parts)`.
Classes: `confusion(net, x, t)`, `roc(net, x, t)`.
Networks: `curves(net, x)`, `input_curves(net, x)`, `predicted(net, x, t)`, `residuals(net, x, t)`.
Steps: `line_search(net, data, direction)`, `hessian(H)` and `animate(frames)`.
Predictions that exist already: `predicted_of(t, y)`, `residuals_of(t, y)` and `confusion_of(t, y)`.
`draw` writes the pictures of a whole comparison to a folder. matplotlib is loaded with the first picture.
"""

from pwl.plots.animation import animate
from pwl.plots.classes import confusion, confusion_of
from pwl.plots.figure import png, require_matplotlib, svg
from pwl.plots.history import classification_errors, errors
from pwl.plots.inputs import input_curves
from pwl.plots.parts import error_histogram, regression
from pwl.plots.pictures import Picture, draw
from pwl.plots.roc import roc
from pwl.plots.state import training_state
from pwl.plots.steps import hessian, line_search
from pwl.plots.targets import predicted, predicted_of, residuals, residuals_of
from pwl.plots.units import curves

__all__ = [
    "Picture",
    "animate",
    "classification_errors",
    "confusion",
    "confusion_of",
    "curves",
    "draw",
    "error_histogram",
    "errors",
    "hessian",
    "input_curves",
    "line_search",
    "png",
    "predicted",
    "predicted_of",
    "regression",
    "require_matplotlib",
    "residuals",
    "residuals_of",
    "roc",
    "svg",
    "training_state",
]
