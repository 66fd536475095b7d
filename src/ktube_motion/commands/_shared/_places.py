"""What lies where, and the command that makes it."""

import os
import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError, ConfigError, CorpusError, KtubeError

if TYPE_CHECKING:
    from ...evaluation import EvaluationConfig
    from ...io import Corpus

__all__ = [
    "CORPORA",
    "EVALUATORS",
    "SAMPLES",
    "choosing_protocol",
    "command_line",
    "existing",
    "maker_of",
    "open_corpus",
    "protocol_of",
    "sources_folder",
]

CORPORA = {"ktube": "dataset/KTubeUM", "t2m": "dataset/HumanML3D", "kit": "dataset/KIT-ML"}
SAMPLES = "ktube-motion build --samples 8"
_CORPUS_MAKERS = {
    "ktube": "Make it from your own data with `ktube-motion build --poses DIR --transcripts DIR`, or from made-up "
    f"speakers with `{SAMPLES}`; one that lies elsewhere is looked for from the folder in which the command is run.",
    "t2m": "Build it as https://github.com/EricGuo5513/HumanML3D tells, and put it there.",
    "kit": "Build it as https://github.com/EricGuo5513/text-to-motion tells, and put it there.",
}

EVALUATORS = {
    "ktube": "checkpoints/ktube/evaluator",
    "t2m": "checkpoints/t2m/text_mot_match",
    "kit": "checkpoints/kit/text_mot_match",
}


def open_corpus(dataname: str, options: Namespace) -> "Corpus":
    """Open the corpus of a data set, as strictly as was asked for."""
    from ...io import Corpus

    root = Path(CORPORA[dataname]).resolve()
    if not os.path.isdir(root):
        said = getattr(dataname, "typed", dataname)
        raise ConfigError(f"The corpus of --dataname {said} is not here.", where=root, fix=_CORPUS_MAKERS[dataname])
    return Corpus(root, strict=options.strict, follow_links=options.follow_links)


def protocol_of(options: Namespace, dataname: str, **changes: Any) -> "EvaluationConfig":
    """Give the protocol of a data set, with the limits that were asked for."""
    from ...evaluation import EvaluationConfig

    protocols = {"ktube": EvaluationConfig.ktube, "t2m": EvaluationConfig.humanml3d, "kit": EvaluationConfig.kit}
    changes |= {} if options.min_frames is None else {"min_frames": options.min_frames}
    return protocols[dataname](max_frames=options.max_frames, **changes)


def choosing_protocol(options: Namespace) -> "EvaluationConfig":
    """Give what picks the best checkpoints in a training."""
    return protocol_of(options, options.dataname, split="val", repeats=1, multimodality_texts=0)


def existing(
    path: str | Path | None, what: str, *, make: str, flag: str = "", error: type[KtubeError] = CheckpointError
) -> Path:
    """Give a path that is there; else tell its full path and the command that makes it."""
    if path is None:
        raise ConfigError(f"Which {what}?", fix=f"Give {flag}.")
    if not os.path.exists(path):
        fix = f"Make it with `{make}`" + (f", or correct {flag}." if flag else ".")
        raise error(f"There is no {what} here.", where=Path(path).absolute(), fix=fix)
    return Path(path)


def sources_folder(path: Path) -> Path:
    """Give a folder of sources that is there."""
    if not os.path.isdir(path):
        fix = f"Correct the path; `{SAMPLES}` builds from made-up speakers instead."
        raise CorpusError("There is no such folder.", where=path.absolute(), fix=fix)
    return path


def maker_of(path: str | Path | None, command: str) -> str:
    """Give the command that leaves a checkpoint at this path: ``OUT/EXPERIMENT/net_last.pth``, or a folder there.

    Examples
    --------
    >>> maker_of("output/VQVAE/net_last.pth", "train-vq")
    'ktube-motion train-vq --exp-name VQVAE --out-dir output'
    >>> maker_of("pretrained.pth", "train-vq")
    'ktube-motion train-vq'
    """
    parts = Path(path or "").parts
    if len(parts) < 3:
        return command_line(command)
    return command_line(command, "--exp-name", parts[-2], "--out-dir", Path(*parts[:-2]).as_posix())


def command_line(*words: str) -> str:
    """Give a command as one types it.

    Examples
    --------
    >>> command_line("generate", "--say", "네, 맞아요.")
    "ktube-motion generate --say '네, 맞아요.'"
    """
    return shlex.join(["ktube-motion", *words])
