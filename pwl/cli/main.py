"""`pwl`: reads the command line and runs a command. Wrong input ends in one sentence and status 2."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from tqdm import tqdm

from pwl import __version__
from pwl.cli import ends, streams
from pwl.errors import InputError
from pwl.runtime.ranks import ranks
from pwl.training.limits import Interrupted
from pwl.validate import nearest

SHARED = ("compare", "train", "predict")  # commands that several ranks share; rank 0 alone does the others
COMMANDS = ("compare", "train", "finetune", "predict", "info", "check", "export", "data")
MAY_BE_EMPTY = ("missing",)  # options for which an empty text is an answer


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one sentence that suggests the nearest name. Options can't be abbreviated."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")

    def name_of(self, dest: str) -> str:
        """An option or argument as it is written on the command line."""
        found = next(action for action in self._actions if action.dest == dest)
        return found.option_strings[-1] if found.option_strings else str(found.metavar or dest)

    def suggest(self, unknown: Sequence[str]) -> NoReturn:
        """Ends in an error about the first unknown option, or else the first unexpected argument."""
        wrong = next((word for word in unknown if word.startswith("-")), unknown[0])
        options = [option for action in self._actions for option in action.option_strings]
        kind = "unknown option" if wrong.startswith("-") else "unexpected argument"
        self.error(f"{kind} {wrong}{nearest(wrong.split('=')[0], options)}")


def build() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the command line, and the parsers of the commands by name."""
    parser = Parser(
        prog="pwl",
        description="Second-order training of small neural networks with trainable piecewise-linear activations.",
    )
    parser.add_argument("--version", action="version", version=f"pwl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    made = {}
    for name in COMMANDS:
        module = importlib.import_module(f"pwl.cli.{name}")
        made[name] = commands.add_parser(name, help=module.HELP, description=module.DESCRIPTION, epilog=module.EXAMPLES)
        module.add_arguments(made[name])
    return parser, made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0, 1 if a check failed, 2 for wrong input, 130 after Ctrl-C."""
    with streams.settled(), ends.caught() as ended, streams.of_rank_0(ranks().rank):
        status = _sentence(list(sys.argv[1:] if arguments is None else arguments))
        return ended.status(status)


def _sentence(arguments: list[str]) -> int:
    """Runs one command. If something ends it early, one sentence says what."""
    try:
        with warnings.catch_warnings():
            _show_notes()
            try:
                return command(arguments)
            finally:
                sys.stdout.flush()  # here, where a closed pipe is caught
    except InputError as wrong:
        return _ended(f"{wrong}")
    except KeyboardInterrupt:
        return _ended("interrupted", 130)
    except BrokenPipeError:  # the reader of the output has seen enough, as in pwl info NET | head -1
        ranks().end("nobody reads the output any more", 0)
        streams.silence(sys.stdout)
        return 0
    except MemoryError as failure:
        what = f" ({failure})" if str(failure) else ""
        return _ended(f"memory ran out{what}: use fewer patterns, inputs, hidden units or jobs, or an algorithm such as scg")
    except RecursionError:
        return _ended("the input is nested too deeply to be read")
    except OSError as failure:
        streams.silence(sys.stdout)  # such as a full disk, which would fail once more at the end
        name = f": {failure.filename}" if failure.filename else ""
        return _ended(f"{failure.strerror or failure}{name}")


def _ended(words: str, status: int = 2) -> int:
    """Says why a command ended, and returns the status. Of several ranks it ends all."""
    ranks().end(in_a_line(words), status)
    with contextlib.suppress(OSError):
        print(f"pwl: {in_a_line(words)}", file=sys.stderr, flush=True)
    return status


def _show_notes() -> None:
    """Warnings become notes on standard error, whatever PYTHONWARNINGS says. Those for programmers are not shown."""
    warnings.showwarning = note
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning, Interrupted):
        warnings.simplefilter("ignore", kind)


def in_a_line(words: str) -> str:
    """Words in one line, also where a name or an option holds the end of one."""
    return "\\n".join(words.splitlines())


def command(arguments: list[str]) -> int:
    """Parses the command line, runs its command and returns the exit status."""
    parser, commands = build()
    if not arguments:
        parser.print_help()
        return 0
    if arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
        raise InputError(
            f"unknown command {arguments[0]!r}{nearest(arguments[0], COMMANDS)}; there are {', '.join(COMMANDS)}"
        )
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands.get(options.command, parser).suggest(unknown)
    for name, value in vars(options).items():
        if name not in MAY_BE_EMPTY and "" in (value if isinstance(value, list) else [value]):
            option = commands[options.command].name_of(name)
            raise InputError(f"{option} came empty, wanted a value: is a variable of the shell not set?")
    if options.command not in SHARED and ranks().rank > 0:
        return 0
    return importlib.import_module(f"pwl.cli.{options.command}").run(options)


def note(message: Warning | str, *rest: Any, **more: Any) -> None:
    """Writes a warning as a sentence to standard error, above a progress bar if there is one."""
    with contextlib.suppress(OSError):
        tqdm.write(f"pwl: note: {in_a_line(str(message))}", file=sys.stderr)
