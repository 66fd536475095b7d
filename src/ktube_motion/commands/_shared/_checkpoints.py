"""Checkpoints of an experiment: T2M-GPT's .pth beside our own folders, written, and loaded again."""

import os
import shutil
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import torch

from ...errors import CheckpointError, ConfigError
from ...gpt import MotionTransformer, load_t2m_gpt_transformer
from ...gpt import to_t2m_gpt_state_dict as transformer_state
from ...io import Corpus
from ...io._files import atomic_path, read_json
from ...models._torch_files import save_checked
from ...vq import MotionTokenizer, load_t2m_gpt_tokenizer
from ...vq import to_t2m_gpt_state_dict as tokenizer_state
from ._encoders import DEVICE
from ._experiments import Experiment
from ._places import existing, maker_of

__all__ = ["Checkpoints", "about_checkpoint", "load_tokenizer", "load_transformer", "pack", "tokenizer_of"]

# The measure a checkpoint is best in, and its name in T2M-GPT: net_best_NAME.pth.
BEST = {"fid": "fid", "diversity_gap": "div", "top1": "top1", "matching": "matching"}
ABOUT = "ktube_motion"  # what T2M-GPT's layout has no place for; its own code reads past it
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError, BadZipFile)


class Checkpoints:
    """Writes net_last.pth and net_best_*.pth beside the folders of the training loop."""

    def __init__(self, experiment: Experiment, **about: Any) -> None:
        self.experiment, self.folder, self.about = experiment, experiment.folder, about

    def on_best(self, metrics: Iterable[str], model: MotionTokenizer | MotionTransformer) -> None:
        """Keep a model that is the best so far in these metrics; on the disk it is there once."""
        first = None
        for name in (BEST[metric] for metric in metrics if metric in BEST):
            path = self.folder / f"net_best_{name}.pth"
            if first is None:
                self._write(path, model)
                first = path
            elif os.path.exists(first):
                with atomic_path(path) as temporary:
                    _link(first, temporary)

    def finish(self, model: MotionTokenizer | MotionTransformer) -> None:
        """Write the last model, and the best ones that no evaluation could choose."""
        self._write(self.folder / "net_last.pth", model)
        for metric, name in BEST.items():
            path = self.folder / f"net_best_{name}.pth"
            candidates = [f"best_{metric}", "best_mpjpe_mm", "best_loss", "last"]
            chosen = next(folder for folder in candidates if os.path.isdir(self.folder / folder))
            if not os.path.exists(path) and self._write(path, type(model).from_pretrained(self.folder / chosen)):
                self.experiment.say(f"{path} is {chosen}: {metric} could not be measured.")
        self.experiment.say(f"Done: {self.folder}/net_last.pth, net_best_fid.pth and the others.")

    def _write(self, path: Path, model: MotionTokenizer | MotionTransformer) -> bool:
        try:
            content = pack(model, **self.about)
        except ConfigError as error:
            if path.name == "net_last.pth":
                self.experiment.say(f"No .pth files: {error} Use the folders best_*/ and last/.")
            return False
        save_checked(path, content)
        return True


def _link(source: Path, target: Path) -> None:
    target.unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def pack(model: MotionTokenizer | MotionTransformer, **about: Any) -> dict[str, Any]:
    """Give what a .pth of T2M-GPT holds, and beside it what that has no place for."""
    about["config"] = asdict(model.config)
    if isinstance(model, MotionTransformer):
        return {**transformer_state(model), ABOUT: about}
    stats = {"mean": model.mean.cpu().clone(), "std": model.std.cpu().clone()}
    return {"net": tokenizer_state(model), ABOUT: {**about, **stats, "fingerprint": model.fingerprint}}


def about_checkpoint(path: str | Path) -> dict[str, Any]:
    """Give what is written down about a checkpoint of ours; nothing for those of others."""
    path = Path(path)
    if os.path.isdir(path):
        options = path.parent / "options.json"
        written = read_json(options) if os.path.exists(options) else {}
        return {"dataname": written["dataname"]} if isinstance(written, dict) and "dataname" in written else {}
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UNREADABLE:
        return {}  # the loader, which comes next, says what is wrong with it
    about = content.get(ABOUT) if isinstance(content, dict) else None
    return about if isinstance(about, dict) else {}


def load_tokenizer(
    path: str | Path | None,
    *,
    options: Namespace | None = None,
    corpus: Corpus | None = None,
    flag: str = "--resume-pth",
) -> MotionTokenizer:
    """Load a tokenizer from a folder, from our .pth, or from T2M-GPT's with the statistics of the corpus."""
    path = existing(path, "tokenizer", flag=flag, make=maker_of(path, "train-vq"))
    about = about_checkpoint(path)
    if os.path.isdir(path):
        return MotionTokenizer.from_pretrained(path).to(DEVICE)
    if "config" in about:
        hints, mean, std = about["config"], about["mean"].numpy(), about["std"].numpy()
    else:
        hints = {"activation": options.vq_act, "dilation_growth_rate": options.dilation_growth_rate} if options else {}
        hints |= {"norm": options.vq_norm} if options and options.vq_norm in ("LN", "GN") else {}
        hints |= {"fps": corpus.fps} if corpus else {}
        mean, std = (corpus.stats.mean, corpus.stats.std) if corpus else (None, None)
    tokenizer = load_t2m_gpt_tokenizer(path, mean=mean, std=std, **hints)
    if about.get("fingerprint", tokenizer.fingerprint) != tokenizer.fingerprint:
        raise CheckpointError(
            "The weights are not those that were saved.", where=path, expected=about["fingerprint"],
            found=tokenizer.fingerprint,
        )  # fmt: skip
    return tokenizer.to(DEVICE)


def load_transformer(path: str | Path | None, *, heads: int = 16, flag: str = "--resume-trans") -> MotionTransformer:
    """Load a transformer from a folder, from our .pth, or from T2M-GPT's."""
    path = existing(path, "transformer", flag=flag, make=maker_of(path, "train-gpt"))
    about = about_checkpoint(path)
    if os.path.isdir(path):
        return MotionTransformer.from_pretrained(path).to(DEVICE)
    recorded = about.get("config", {"num_heads": heads})
    kept = ("dropout", "text_encoder", "tokenizer", "frames_per_token")
    hints = {name: recorded[name] for name in kept if name in recorded}
    return load_t2m_gpt_transformer(path, heads=recorded["num_heads"], **hints).to(DEVICE)


def tokenizer_of(
    transformer: MotionTransformer,
    path: str | Path | None,
    *,
    experiment: Experiment | None = None,
    because: str | Path | None = None,
    **how: Any,
) -> MotionTokenizer:
    """Load the tokenizer whose codes a transformer writes.

    Where `path` is another checkpoint of the same experiment (net_last.pth for
    net_best_fid.pth), the right one beside it is taken and told.
    """
    tokenizer, wanted = load_tokenizer(path, **how), transformer.config.tokenizer
    if not wanted or tokenizer.fingerprint == wanted:
        return tokenizer
    for beside in sorted(Path(path or "").parent.glob("net_*.pth")):
        if experiment is not None and about_checkpoint(beside).get("fingerprint") == wanted:
            experiment.settle("resume_pth", str(beside), f"{because}, trained on its codes")
            return load_tokenizer(beside, **how)
    raise CheckpointError(
        "The transformer was trained on another tokenizer's codes.",
        where=because,
        expected=f"tokenizer {wanted}",
        found=f"tokenizer {tokenizer.fingerprint} ({path})",
        fix="Give the tokenizer it was trained on.",
    )
