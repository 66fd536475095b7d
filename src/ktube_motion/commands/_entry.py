"""Where every command starts, and where its errors end: one line, no traceback."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from .. import __version__
from ..errors import KtubeError
from ._shared._completion import completion
from ._shared._console import complain, say
from ._shared._language import told
from ._shared._options import Parser, UsageError, nearest
from ._shared._stopping import STOPPED, stoppable

__all__ = ["COMMANDS", "main", "parser_of"]

COMMANDS: dict[str, tuple[str, ...]] = {
    "Start": ("quickstart", "check-assets", "check"),
    "Data": (
        "build",
        "json-to-npz",
        "process-poses",
        "represent-motion",
        "mean-variance",
        "build-bandai",
        "export-corpus",
    ),
    "Training": ("train-vq", "train-gpt", "train-evaluator"),
    "Evaluation": ("eval-vq", "eval-gpt"),
    "Motion": ("generate", "edit", "live", "export", "render", "animate"),
}
_RESUMABLE = ("quickstart", "train-vq", "train-gpt", "train-evaluator", "eval-vq", "eval-gpt")  # have --resume
_NAMES = tuple(name for names in COMMANDS.values() for name in names)

FAILED, WRONG_USE = 1, 2


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    words : sequence of str, optional
        The command and its flags; by default those of this program.

    Returns
    -------
    code : int
        0 when all went well, 1 after an error that was told in one line, 2
        after a wrong flag, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["--version"])  # doctest: +ELLIPSIS
    ktube-motion ...
    0
    """
    words = sys.argv[1:] if words is None else list(words)
    told = f"Stopped. {_goes_on(words)}"
    with _readable():
        try:
            with stoppable(lambda: complain(told)):
                return _run(words)
        except SystemExit as end:  # a help page, or a wrong flag
            return int(end.code or 0)
        except KtubeError as error:
            complain(f"error: {_in_flags(error)}")
            return WRONG_USE if isinstance(error, UsageError) else FAILED
        except KeyboardInterrupt as stop:
            complain(_in_flags(stop) or told)
            return STOPPED
        except BrokenPipeError:  # as after `| head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED


def parser_of(name: str) -> Parser:
    """Give the parser of a command, and with it its help page.

    Examples
    --------
    >>> parser_of("train-vq").parse_args(["--lr", "0.001"]).lr
    0.001
    """
    module = _module_of(name)
    parser = Parser(prog=f"ktube-motion {name}", usage=f"ktube-motion {name} [options]", description=module.__doc__)
    module.add_options(parser)
    parser.set_defaults(command=name)
    return parser


def _run(words: list[str]) -> int:
    name, *rest = words or ["--help"]
    if name in ("-h", "--help"):
        say(_overview())
    elif name == "--version":
        say(f"ktube-motion {__version__}")
    elif name == "--print-completion":
        say(completion("".join(rest), {name: parser_of(name) for name in _NAMES}))
    elif name not in _NAMES:
        complain(f"error: there is no command {name}{nearest(name, _NAMES)} (ktube-motion --help lists all)")
        return WRONG_USE
    else:
        return _module_of(name).run(parser_of(name).parse_args(rest)) or 0
    return 0


def _module_of(name: str) -> ModuleType:
    return import_module(f"._{name.replace('-', '_')}", __package__)


def _overview() -> str:
    lines = ["usage: ktube-motion COMMAND [options]", "", told("From a Korean utterance to human motion."), ""]
    for group, names in COMMANDS.items():
        summaries = ((name, told((_module_of(name).__doc__ or "").split("\n")[0])) for name in names)
        lines += [f"{told(group)}:", *(f"  {name:17s} {summary}" for name, summary in summaries), ""]
    lines += [
        told("ktube-motion COMMAND --help tells what a command reads and writes, and what every flag does."),
        told("ktube-motion --print-completion SHELL gives a script that teaches them to bash, zsh or tcsh."),
        told("Paths such as dataset/KTubeUM and output/ are those of the folder it is run in."),
    ]
    return "\n".join(lines)


def _in_flags(error: BaseException) -> str:
    """Give the library's words in those of the command line."""
    return str(error).replace("resume=True (--resume)", "--resume").replace("resume=True", "--resume")


def _goes_on(words: list[str]) -> str:
    resumable = bool(words) and words[0] in _RESUMABLE
    return f"The same command {'with --resume ' if resumable else ''}goes on; what is finished is kept."


@contextmanager
def _readable() -> Iterator[None]:
    """Print warnings in one line, and letters that a terminal does not have as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    kept, warnings.formatwarning = warnings.formatwarning, lambda message, *_: f"warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = kept
