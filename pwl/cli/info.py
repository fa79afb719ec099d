"""`pwl info`: the contents of a saved network."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from pwl.cli.source import counted
from pwl.data.decorrelation import Decorrelation
from pwl.learners import ensemble_file
from pwl.learners.ensemble import Ensemble
from pwl.network.input_curves import strengths
from pwl.network.layout import HEAD
from pwl.network.network import Network
from pwl.network.save import Saved
from pwl.training.saved import load

SHOWN = 12  # inputs at most

HELP = "show a saved network or ensemble: structure, preparation, training, versions"
DESCRIPTION = "Prints the contents of a file that pwl train or net.save has written."
EXAMPLES = """examples:
  pwl info net.safetensors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", help="a saved network or ensemble")


def run(options: argparse.Namespace) -> int:
    if ensemble_file.is_one(options.net):
        ensemble = ensemble_file.load(options.net)
        saved, parts = Saved(ensemble.net.first, *ensemble[1:]), members(ensemble)
        trained = "training of one of the networks"
    else:
        saved, trained = load(options.net), "training"
        parts = [("structure", structure(saved))]
    for title, lines in (*parts, ("data", columns(saved)), (trained, training(saved))):
        print(f"{title}\n" + "\n".join(f"  {line}" for line in lines))
    print("versions\n  " + ", ".join(f"{name} {version}" for name, version in saved.versions.items()))
    return 0


def members(saved: Saved[Ensemble]) -> list[tuple[str, list[str]]]:
    """A title and lines for the networks of each structure in an ensemble."""
    kinds: dict[tuple[str, ...], list[tuple[Network, float]]] = {}
    for net, share in zip(saved.net.nets, saved.net.weights.tolist(), strict=True):
        kinds.setdefault(tuple(layers(net)), []).append((net, share))
    found = []
    for lines, those in kinds.items():
        nets = [net for net, _ in those]
        title = f"{counted(len(nets), 'network')} of {len(saved.net.nets)}"
        shares = f"share in the mean: {sum(share for _, share in those):.3g}"
        found.append((title, [shares, *lines, *matter(nets, saved), *spread(nets[0])]))
    return found


def structure(saved: Saved[Network]) -> list[str]:
    """Lines about the layers, their parameters, the inputs that matter and the posterior."""
    return [*layers(saved.net), *matter([saved.net], saved), *spread(saved.net)]


def layers(net: Network) -> list[str]:
    """Lines about the layers and their parameters."""
    lines = [f"inputs: {'x'.join(map(str, net.input_shape))}"]
    for index, layer in enumerate(net.layers):
        shapes = [f"{s.name} {'x'.join(map(str, s.shape))}" for s in net.layout.slots if s.layer == index]
        lines.append(f"{layer!r}{': ' if shapes else ''}{', '.join(shapes)}")
    bypass = "inputs and " if net.bypass else ""
    lines.append(
        f"outputs: {net.n_outputs}, linear in {bypass}the last layer; W_o {net.n_outputs}x{net.n_basis}; loss {net.loss.name}"
    )
    lines.append(f"{net.n_parameters} parameters, {net.theta.dtype}, {'' if net.initialised else 'not '}initialised")
    return lines


def matter(nets: Sequence[Network], saved: Saved[Any]) -> list[str]:
    """The strongest inputs of networks of one structure, on average, if these have curves on their inputs."""
    net = nets[0]
    if not all(net.initialised for net in nets) or not net.layers or not net.layers[0].reads_inputs:
        return []
    shares = np.mean([strengths(net) for net in nets], axis=0)
    names = saved.schema.input_names if saved.schema else [f"input {j + 1}" for j in range(len(shares))]
    words = [f"{names[j]} {shares[j]:.1%}" for j in (-shares).argsort(kind="stable")[:SHOWN]]
    more = f", and {len(shares) - SHOWN} more" if len(shares) > SHOWN else ""
    return [f"inputs by their share in the nets and past them: {', '.join(words)}{more}"]


def spread(net: Network) -> list[str]:
    """A line about the posterior, if the network keeps one."""
    posterior = net.posterior
    if posterior is None:
        return []
    if not posterior.keys:
        return ["standard deviations of predictions, from the variance of errors alone"]
    whose = "the output weights" if posterior.keys == (HEAD,) else ", ".join(posterior.keys)
    return [f"standard deviations of predictions, from the posterior of {whose}"]


def columns(saved: Saved[Network]) -> list[str]:
    """Lines about the columns and their preparation."""
    preparation, schema = saved.net.preparation, saved.schema
    if preparation is None:
        return ["no preparation: inputs and outputs are in the network's own units"]
    images = len(saved.net.input_shape) > 1
    what = "channel" if images else "input"
    numbers = tuple(str(i + 1) for i in range(len(preparation.inputs.scale)))
    names = schema.input_names if schema and not images else numbers
    lines = [
        f"{what} {name}: offset {offset:.6g}, scale {scale:.6g}{'' if scale else ' (constant)'}"
        for name, offset, scale in zip(names, preparation.inputs.offset, preparation.inputs.scale, strict=True)
    ]
    shown = lines[:SHOWN] + ([f"... and {len(lines) - SHOWN} more inputs"] if len(lines) > SHOWN else [])
    if isinstance(preparation.inputs, Decorrelation):
        shown.append(f"{what}s are decorrelated after that: each is the one that resembles its raw {what} most")
    if preparation.targets is None:
        return [*shown, f"classes: {', '.join(map(str, preparation.classes or ()))}"]
    targets = schema.target_names if schema else [f"target {i + 1}" for i in range(saved.net.n_outputs)]
    return shown + [
        f"target {name}: offset {offset:.6g}, scale {scale:.6g}"
        for name, offset, scale in zip(targets, preparation.targets.offset, preparation.targets.scale, strict=True)
    ]


def training(saved: Saved[Network]) -> list[str]:
    """Lines about the record."""
    record = saved.record
    if record is None:
        return ["no record was saved with this network"]
    best = record.best_iteration
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in record.settings.items()]
    lines.append(
        f"iterations: {record.iterations}, best {best}; {record['seconds'][-1]:.2f} s; stopped: {record.stop_reason}"
    )
    return lines + [
        f"{name.replace('_', ' ')}: {number(values[0])} at the start, {number(values[best])} at the best, "
        f"{number(values[-1])} at the end"
        for name, values in record.series.items()
        if name.endswith("error")
    ]


def number(value: float | None) -> str:
    """A number of a record, whose file has no word for those that are not finite."""
    return "not finite" if value is None else f"{value:.6g}"
