"""Networks as one header in C99: preparation, networks and their mean in constants and a few functions."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from pwl import validate
from pwl.data.decorrelation import Decorrelation
from pwl.data.scaling import inverse_scale
from pwl.errors import InputError
from pwl.export.c_layers import At, add_layer, add_sums
from pwl.export.exported import Exported, in_parts, size
from pwl.export.source import Source, commented
from pwl.export.work_space import Places, place
from pwl.files.write import write_atomic
from pwl.network.network import Network
from pwl.network.summary import shape_text
from pwl.version import VERSION

TYPES = {"float32": "float", "float64": "double"}
SHOWN = 40  # names of inputs at most
RESERVED = """auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"""


def to_c(what: Exported, path: str | os.PathLike[str] | None = None, name: str | None = None) -> str:
    """The text of the header, which is also written to `path` if there is one."""
    where = None if path is None else validate.path("path", path)
    name = _name(name, "net" if where is None else where.stem)
    c = Source(name, what.dtype)
    bodies = [_body(c, net, number, len(what.nets) > 1) for number, net in enumerate(what.nets)]
    work = max(need for _, need in bodies) + (what.first.n_outputs if len(what.nets) > 1 else 0)
    last = _predict(c, what, work)
    text = "\n".join([
        _top(what, name, work, c.numbers), f"#ifndef {name.upper()}_H\n#define {name.upper()}_H\n\n#include <math.h>\n",
        _sizes(what, name, work), c.functions(), *c.arrays, *(body for body, _ in bodies), last, "#endif\n",
    ])  # fmt: skip
    if where is not None:
        write_atomic(where, text)
    return text


def _body(c: Source, net: Network, number: int, several: bool) -> tuple[str, int]:
    """The function of one network, outputs y for raw inputs x, and the length of its work space."""
    c.lines = []
    prefix = f"m{number}_" if several else ""
    prepared = net.preparation is not None
    places = place(net, given=not prepared)
    if prepared:
        extra = _prepare(c, net, prefix, places)
    for index in range(len(net.layers)):
        layer, p, b = net.layer(index)
        shapes = net.layout.shapes[index : index + 2]
        c.note(f"layer {index}, {layer!r}: {shape_text(shapes[0])} -> {shape_text(shapes[1])}")
        x, earlier, n = (_signal(places, i) for i in (index, net.joins.get(index, index), index + 1))
        add_layer(c, layer, p, b, At(f"{prefix}{index}", x, earlier, n, *shapes))
    _outputs(c, net, prefix, places)
    need = max(places.numbers, extra if prepared else 0)
    lines = [f"{c.name}_real *const s{store} = work + {at};" for store, at in enumerate(places.at) if at is not None]
    body = "\n".join(f"    {line}" for line in [*lines, *c.lines] + ([] if lines else ["(void)work;"]))
    head = f"/* y[{net.n_outputs}]: the outputs of network {number} for raw inputs x[{size(net.input_shape)}], with work[{need}] */"
    arguments = f"const {c.name}_real *x, {c.name}_real *y, {c.name}_real *work"
    return f"{head}\nstatic inline void {c.name}_outputs_{number}({arguments})\n{{\n{body}\n}}\n", need


def _prepare(c: Source, net: Network, prefix: str, places: Places) -> int:
    """Raw inputs to prepared ones, signal 0. Returns the length of work space that it takes."""
    assert net.preparation is not None
    inputs, grid = net.preparation.inputs, (size(net.input_shape[:-1]), net.input_shape[-1])
    count, n, need = size(net.input_shape), _signal(places, 0), places.numbers
    c.note("preparation of the inputs")
    if isinstance(inputs, Decorrelation):
        begin = places.at[0] or 0
        need, n = max(need, begin + 2 * count), f"work + {begin + count}"
    c.call("copy", count, "x", n)
    for number, part in enumerate(in_parts(inputs.offset, c.dtype)):
        c.call("subtract", *grid, c.array(f"{prefix}offset_{number}", part), n)
    c.call("scale", *grid, c.array(f"{prefix}gain", inverse_scale(inputs.scale)), n)
    if isinstance(inputs, Decorrelation):
        c.call("copy", count, c.array(f"{prefix}zeros", np.zeros(count)), _signal(places, 0))
        c.call("sums", count, count, c.array(f"{prefix}matrix", inputs.matrix), n, _signal(places, 0))
    return need


def _outputs(c: Source, net: Network, prefix: str, places: Places) -> None:
    """The outputs y, Eq. (9), in raw units or as probabilities."""
    W_o, M, first = net.W_o, net.n_outputs, net.n_basis - net.n_features
    layer, _, b = net.layer(0)
    c.note(f"outputs: {M} sums of 1, {'the inputs, ' if net.bypass else ''}and {net.n_features} units")
    if net.bypass:
        add_sums(c, layer, b, f"{prefix}direct", W_o[:, :first], _signal(places, 0), "y")
    else:
        c.call("copy", M, c.array(f"{prefix}constants", W_o[:, 0]), "y")
    c.call("sums", net.n_features, M, c.array(f"{prefix}W_oh", net.W_oh.T), _signal(places, len(net.layers)), "y")
    targets = None if net.preparation is None else net.preparation.targets
    if net.loss.probabilities:
        c.call("softmax", M, "y")
    elif targets is not None:
        c.note("raw units of the targets")
        c.call("scale", 1, M, c.array(f"{prefix}target_scale", targets.scale), "y")
        c.call("shift", 1, M, c.array(f"{prefix}target_offset", targets.offset), "y")


def _predict(c: Source, what: Exported, work: int) -> str:
    """The function that others call."""
    c.lines, M, classes = [], what.first.n_outputs, what.classes
    if len(what.nets) == 1:
        c.lines.append(f"{c.name}_outputs_0(x, y, work);")
    else:
        part = f"work + {work - M}"
        c.call("copy", M, c.array("none", np.zeros(M)), "y")
        for number, weight in enumerate(what.weights):
            c.lines.append(f"{c.name}_outputs_{number}(x, {part}, work);")
            c.call("add_part", M, float(weight), part, "y")
    if what.bounds is not None:
        c.call("bound", M, c.array("lowest", what.bounds[0]), c.array("highest", what.bounds[1]), "y")
    if classes is not None:
        c.texts("classes", classes)
        c.call("largest", M, "y")
        c.lines[-1] = f"return {c.lines[-1]}"
    arguments = f"const {c.name}_real *x, {c.name}_real *y, {c.name}_real *work"
    body = "\n".join(f"    {line}" for line in c.lines)
    return f"static inline {'void' if classes is None else 'int'} {c.name}_predict({arguments})\n{{\n{body}\n}}\n"


def _signal(places: Places, index: int) -> str:
    """The name of the array that holds a signal."""
    store = places.of[index]
    return "x" if places.at[store] is None else f"s{store}"


def _sizes(what: Exported, name: str, work: int) -> str:
    upper, first = name.upper(), what.first
    lines = [
        f"#define {upper}_INPUTS {size(first.input_shape)}", f"#define {upper}_OUTPUTS {first.n_outputs}",
        f"#define {upper}_WORK {max(work, 1)}", "", f"typedef {TYPES[what.dtype.name]} {name}_real;", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _top(what: Exported, name: str, work: int, numbers: int) -> str:
    """The comment that says what this is and how to call it."""
    first, kind, upper = what.first, TYPES[what.dtype.name], name.upper()
    several = f", the mean of {len(what.nets)}" if len(what.nets) > 1 else ""
    back = "void" if what.classes is None else "int"
    given = f"{shape_text(first.input_shape)} inputs" + (" in raw units" if first.preparation is not None else "")
    if what.classes is None:
        result = "outputs" + (" in raw units" if first.preparation is not None else "")
        returned = ""
    else:
        result = "probabilities of the classes" if first.loss.probabilities else "scores of the classes"
        returned = f"\n     returns            the number of the class, whose label is {name}_classes[number]"
    lines = [
        f"/* {name}.h: a network trained by pwl {VERSION}{several}. C99, with no library but math.h; it allocates no memory.",
        "",
        f"     {back} {name}_predict(const {kind} *x, {kind} *y, {kind} *work);",
        "",
        f"     x[{upper}_INPUTS]    {given}",
        f"     y[{upper}_OUTPUTS]   {result}",
        f"     work[{upper}_WORK]   room for numbers in between; its contents do not matter{returned}",
        "",
        "   Arrays are row by row" + (", images height x width x channels" if len(first.input_shape) > 1 else "") + ".",
        f"   Constants: {numbers} numbers. Work: {work} numbers of {what.dtype.itemsize} bytes.",
    ]
    lines += ["", "   The channels:" if len(first.input_shape) > 1 else "   The inputs:"]
    lines += [f"     {j} {commented(text)}" for j, text in enumerate(what.names[:SHOWN])]
    lines += [f"     and {len(what.names) - SHOWN} more"] if len(what.names) > SHOWN else []
    return "\n".join(lines) + " */\n"


def _name(name: Any, otherwise: str) -> str:
    """The beginning of the header's names. Raises InputError if it is not a name in C."""
    if name is None:
        name = re.sub(r"\W", "_", otherwise, flags=re.ASCII)
        name = name if re.match(r"[A-Za-z]", name) else f"net_{name.lstrip('_')}"
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in RESERVED.split():
        raise InputError(
            f"name must be a name in C, letters, digits and _ with a letter first, not {validate.shown(name)}"
        )
    return name
