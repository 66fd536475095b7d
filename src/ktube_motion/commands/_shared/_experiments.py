"""The folder of an experiment, its run.log, and which flags a checkpoint has overruled."""

import logging
import os
from argparse import Namespace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...errors import ConfigError
from ._console import say, table
from ._options import flag_of
from ._places import command_line

if TYPE_CHECKING:
    from ...io import Corpus

__all__ = ["TOKENIZER_FLAGS", "TRANSFORMER_FLAGS", "Experiment"]

# Flags that describe a model, and the fields of its config.
TOKENIZER_FLAGS = {
    "nb_code": "num_codes", "code_dim": "code_dim", "output_emb_width": "code_dim", "mu": "mu", "down_t": "down_t",
    "stride_t": "stride_t", "width": "width", "depth": "depth", "dilation_growth_rate": "dilation_growth_rate",
    "vq_act": "activation", "vq_norm": "norm", "quantizer": "quantizer", "beta": "beta", "quantbeta": "beta",
}  # fmt: skip
TRANSFORMER_FLAGS = {
    "nb_code": "num_codes", "embed_dim_gpt": "width", "clip_dim": "text_dim", "block_size": "block_size",
    "num_layers": "num_layers", "n_head_gpt": "num_heads", "ff_rate": "ff_rate", "drop_out_rate": "dropout",
}  # fmt: skip

_FREE = {"resume", "strict", "follow_links", "total_iter", "print_iter", "save_iter"}  # they change no result
_FREE |= {"given", "unused", "idle", "typed", "command"}
_LOG = logging.getLogger("ktube_motion")


class _LogFile(logging.FileHandler):
    """A log that stops the job when the disk is full, instead of printing a traceback for every line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        from ...io._writing import writing

        with writing(self.baseFilename):
            raise


class Experiment:
    """The folder OUT_DIR/EXP_NAME of a command; a context, at whose end its run.log is closed.

    Raises
    ------
    ConfigError
        If something else has begun in the folder, or this and it should not go on. Nothing is written before `start`.
    """

    def __init__(self, options: Namespace) -> None:
        self.options, self.folder = options, Path(options.out_dir) / options.exp_name
        self.settings = {name: value for name, value in vars(options).items() if name not in _FREE}
        self.rows: list[tuple[str, Any, Any, Any]] = []
        self.lines: list[str] = []
        self.handler: logging.Handler | None = None
        self._check()
        if options.unused:
            self.say(f"Unused here: {' '.join(map(flag_of, options.unused))}")

    def _check(self) -> None:
        from ...io._experiments import check_experiment

        record = self.folder / "options.json"
        there = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        begun = {*there} - {"options.json", "run.log"}
        if begun and not os.path.exists(record):
            fix = "Choose another --exp-name or --out-dir; nothing was overwritten."
            raise ConfigError("This folder holds something else.", where=self.folder, fix=fix)
        if begun:
            check_experiment(record, self.settings, resume=self.options.resume, label=flag_of)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.handler is not None:
            _LOG.removeHandler(self.handler)
            self.handler.close()

    def say(self, text: str) -> None:
        """Print, and write into run.log as soon as there is one."""
        say(text)
        if self.handler is None:
            self.lines.append(text)
        else:
            _LOG.info(text)

    def say_left_out(self, corpus: "Corpus") -> None:
        """Tell which clips and text lines of a corpus were left out."""
        for line in corpus.left_out():
            self.say(line)

    def settle(self, flag: str, used: object, because: object) -> None:
        """Note that a checkpoint says otherwise than a flag of the command line."""
        said = getattr(self.options, flag, None)
        if flag in self.options.given and said != used and flag not in [row[0] for row in self.rows]:
            self.rows.append((flag, said, used, because))

    def settle_all(self, config: object, flags: dict[str, str], because: object) -> None:
        """Compare all flags that describe a model with its config."""
        for flag, field in flags.items():
            self.settle(flag, getattr(config, field), because)

    def start(self) -> None:
        """Tell what was overruled, and begin: from here on there is a folder."""
        from ...io._files import write_json

        if self.rows:
            head = ("flag", "given", "used", "because of")
            rows = table([head, *((flag_of(flag), *rest) for flag, *rest in self.rows)])
            if self.options.strict:
                raise ConfigError(f"Flags contradict what is used (--strict):\n{rows}\n")
            self.say(f"These flags are overruled:\n{rows}")
        write_json(self.folder / "options.json", self.settings)
        _LOG.setLevel(logging.INFO)
        self.handler = _LogFile(self.folder / "run.log", encoding="utf-8")
        self.handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        _LOG.addHandler(self.handler)
        for line in (command_line(self.options.command, *self.options.typed), *self.lines):
            _LOG.info(line)
