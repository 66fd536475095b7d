"""Completion of commands and flags in a shell."""

from collections.abc import Mapping
from pathlib import Path

from ...errors import MissingDependencyError
from ._options import Parser, UsageError

__all__ = ["completion"]

SHELLS = ("bash", "zsh", "tcsh")


def completion(shell: str, commands: Mapping[str, Parser]) -> str:
    """Give the script that teaches a shell the commands and their flags.

    Raises
    ------
    UsageError
        If the shell is another one.
    MissingDependencyError
        If shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingDependencyError("Completion needs shtab.", fix='pip install "ktube_motion[completion]"') from error
    if shell not in SHELLS:
        raise UsageError("This shell is not known.", expected=" or ".join(SHELLS), found=shell or "none")
    whole = Parser(prog="ktube-motion")
    each = whole.add_subparsers()
    for name, parser in commands.items():
        summary = (parser.description or "").split("\n")[0]
        copy = each.add_parser(name, help=summary, description=summary, parents=[parser], add_help=False)
        for action in copy._actions:
            if action.type is Path or action.metavar in ("DIR", "FILE", "PATH"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(whole, shell=shell)
