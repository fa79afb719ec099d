"""`pwl export`: a saved network as an ONNX model or as a header in C99."""

from __future__ import annotations

import argparse
from pathlib import Path

from pwl import validate
from pwl.cli import paths
from pwl.errors import InputError
from pwl.files.write import check_apart
from pwl.learners.ensemble_file import load

HELP = "write a saved network as an ONNX model or as a header in C"
DESCRIPTION = """Writes a network or an ensemble for programs that run without Python and pwl. Both forms take raw inputs, one
number for each input that pwl info lists, and give what pwl predict gives. A category is an input of 0 or 1. An ONNX model
has standard operators of opset 17, and is written by the package onnx (pip install 'pwl[onnx]'). A header in C99 needs math.h
alone, and allocates no memory."""
EXAMPLES = """examples:
  pwl export houses.safetensors --to onnx
  pwl export houses.safetensors --to c --dtype float32 -o firmware/houses.h
"""
ENDINGS = {"onnx": ".onnx", "c": ".h"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", help="a network that pwl train or net.save has written, or an ensemble")
    parser.add_argument("--to", metavar="FORM", help="onnx or c (default: as the name after --out ends)")
    parser.add_argument("--dtype", metavar="TYPE", help="float32 or float64 (default: the network's own)")
    parser.add_argument("--name", help="beginning of all names in a header (default: the name of the file)")
    parser.add_argument("-o", "--out", type=paths.path, metavar="FILE", help="file to write (default: beside the network)")


def run(options: argparse.Namespace) -> int:
    form = options.to if options.to is not None else _meant(options.out)
    validate.one_of("--to", form, ENDINGS)
    out = options.out or Path(options.net).with_suffix(ENDINGS[form])
    check_apart(out, [options.net])
    if options.name is not None and form != "c":
        raise InputError("--name is for headers in C: leave it out")
    saved = load(options.net)
    images = len(saved.net.input_shape) > 1
    names = saved.schema.input_names if saved.schema is not None and not images else None
    if form == "c":
        saved.net.to_c(out, dtype=options.dtype, name=options.name, names=names)
    else:
        saved.net.to_onnx(out, dtype=options.dtype, names=names)
    print(f"{out}: {out.stat().st_size:,} bytes")
    return 0


def _meant(out: Path | None) -> str:
    """The form that a file's name ends in. Raises InputError if there is none."""
    found = next((form for form, ending in ENDINGS.items() if out is not None and out.suffix == ending), None)
    if found is None:
        raise InputError("--to onnx or --to c was wanted, the form in which the network is to be written")
    return found
