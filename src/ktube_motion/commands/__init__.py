"""The commands: ``ktube-motion COMMAND``, ``python -m ktube_motion COMMAND`` and the scripts of ``examples/`` are this.

One module is one command: its docstring is the help page, ``add_options``
gives its flags, ``run`` does it. Nothing heavy is imported before ``run``.
"""

from ._entry import COMMANDS, main, parser_of

__all__ = ["COMMANDS", "main", "parser_of"]
