"""The folder of an experiment: whose it is, and what may be written into it."""

import json
import os
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from ..io._experiments import check_experiment

__all__ = ["check_output", "kept_log", "plain", "same_files"]

# What may change on the way: more steps is a way to go on.
_FREE = ("steps", "tracker", "log_every", "save_every")


def plain(config: Any) -> Any:
    """Give a config as JSON would give it back: tuples as lists, nested configs as dicts."""
    return json.loads(json.dumps(asdict(config))) if is_dataclass(config) else config  # type: ignore[arg-type]


def check_output(output: Path, config: Any, resume: bool) -> None:
    """Raise `ConfigError` if a folder holds another experiment, or an unfinished one that is not resumed."""
    # An option that came later did then what it does now by default.
    defaults = plain(type(config)())
    check_experiment(output / "config.json", plain(config), resume=resume, free=_FREE, defaults=defaults)


def kept_log(path: Path, step: int, evaluated: int) -> list[str]:
    """Give the log lines up to `step`, measurements up to `evaluated`: what went beyond a checkpoint comes again."""
    if not os.path.exists(path):
        return []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = [(line, json.loads(line)) for line in lines]
    return [line for line, values in found if values["step"] <= (evaluated if _is_measured(values) else step)]


def _is_measured(values: dict[str, Any]) -> bool:
    return any(name.startswith("val/") for name in values)


def same_files(source: Path, folder: Path) -> bool:
    """Link the files of one folder into another, which costs no room; give whether the disk can do that."""
    try:
        for path in source.iterdir():
            os.link(path, folder / path.name)
    except OSError:
        for path in folder.iterdir():
            path.unlink()
        return False
    return True
