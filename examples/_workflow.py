"""What the documented scripts share: experiments, and checkpoints in T2M-GPT's layout."""

import logging
import os
import shutil
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

import torch
from _encoders import DEVICE, load_evaluator

from ktube_motion.errors import CheckpointError, ConfigError, DataError, KtubeError
from ktube_motion.evaluation import EvaluationConfig
from ktube_motion.evaluation.samples import collect_samples
from ktube_motion.gpt import MotionTransformer, load_t2m_gpt_transformer
from ktube_motion.gpt import to_t2m_gpt_state_dict as transformer_state
from ktube_motion.io import Corpus
from ktube_motion.io.files import atomic_path, read_json, write_json
from ktube_motion.vq import MotionTokenizer, load_t2m_gpt_tokenizer
from ktube_motion.vq import to_t2m_gpt_state_dict as tokenizer_state

CORPORA = {"ktube": "dataset/KTubeUM", "t2m": "dataset/HumanML3D", "kit": "dataset/KIT-ML"}
PROTOCOLS = {"ktube": EvaluationConfig.ktube, "t2m": EvaluationConfig.humanml3d, "kit": EvaluationConfig.kit}

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

# The measure a checkpoint is best in, and its name in T2M-GPT: net_best_NAME.pth.
BEST = {"fid": "fid", "diversity_gap": "div", "top1": "top1", "matching": "matching"}
ABOUT = "ktube_motion"  # what T2M-GPT's layout has no place for; its own code reads past it
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError, BadZipFile)
LOG = logging.getLogger("ktube_motion")
FREE = {"resume", "strict", "total_iter", "print_iter", "save_iter", "given", "unused"}


def run(main):
    """Run a script: the library's errors are told in one line, without a traceback."""
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    try:
        main()
    except KtubeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stop:
        sys.exit(f"{stop or 'Stopped.'}".replace("resume=True", "--resume"))
    finally:
        for handler in LOG.handlers[:]:
            LOG.removeHandler(handler)
            handler.close()


class Experiment:
    """The folder of an experiment, its run.log, and which flags a checkpoint has overruled."""

    def __init__(self, options):
        self.options, self.folder = options, Path(options.out_dir) / options.exp_name
        self.settings = {name: value for name, value in vars(options).items() if name not in FREE}
        self.rows, self.lines, self.log = [], [], None
        self._check()
        if options.unused:
            self.say(f"Unused here: {' '.join(_flag(name) for name in options.unused)}")

    def _check(self):
        """Refuse a folder in which something has begun, unless it is this and goes on."""
        begun = {path.name for path in self.folder.glob("*")} - {"options.json", "run.log"}
        if not begun:
            return
        path, fix = self.folder / "options.json", "Choose another --exp-name or --out-dir; nothing was overwritten."
        if not path.exists():
            raise ConfigError("This folder holds something else.", where=self.folder, fix=fix)
        found = read_json(path)
        changed = [name for name in sorted({*found, *self.settings}) if found.get(name) != self.settings.get(name)]
        if changed:
            raise ConfigError(
                "Another experiment is in this folder.",
                where=self.folder,
                expected=", ".join(f"{_flag(name)} {found.get(name)}" for name in changed),
                found=", ".join(f"{_flag(name)} {self.settings.get(name)}" for name in changed),
                fix=fix,
            )
        if not self.options.resume:
            raise ConfigError(
                "This experiment has been started already.",
                where=self.folder,
                fix="Go on with --resume; nothing was overwritten.",
            )

    def say(self, text):
        """Print, and write into run.log as soon as there is one."""
        print(text, flush=True)
        if self.log is None:
            self.lines.append(text)
        else:
            self.log.info(text)

    def settle(self, flag, used, because):
        """Note that a checkpoint says otherwise than a flag of the command line."""
        said = getattr(self.options, flag, None)
        if flag in self.options.given and said != used and flag not in [row[0] for row in self.rows]:
            self.rows.append((flag, said, used, because))

    def settle_all(self, config, table, because):
        """Compare all flags that describe a model with its config."""
        for flag, field in table.items():
            self.settle(flag, getattr(config, field), because)

    def start(self):
        """Tell what was overruled, and begin: from here on there is a folder."""
        if self.rows:
            rows = [
                ("flag", "given", "used", "because of"),
                *((_flag(row[0]), *map(str, row[1:])) for row in self.rows),
            ]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
            table = "\n".join(line.rstrip() for line in lines)
            if self.options.strict:
                raise ConfigError(f"Flags contradict the checkpoint (--strict):\n{table}\n")
            self.say(f"The checkpoint wins over these flags:\n{table}")
        write_json(self.folder / "options.json", self.settings)
        self.log = LOG
        LOG.setLevel(logging.INFO)
        handler = logging.FileHandler(self.folder / "run.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        LOG.addHandler(handler)
        for line in (f"{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}", *self.lines):
            LOG.info(line)


def _flag(name):
    return "--" + name.replace("_", "-")


class Checkpoints:
    """Writes net_last.pth and net_best_*.pth beside the folders of the training loop."""

    def __init__(self, experiment, **about):
        self.experiment, self.folder, self.about = experiment, experiment.folder, about

    def on_best(self, metrics, model):
        """Keep a model that is the best so far in these metrics; on the disk it is there once."""
        first = None
        for name in (BEST[metric] for metric in metrics if metric in BEST):
            path = self.folder / f"net_best_{name}.pth"
            if first is None:
                self._write(path, model)
                first = path
            elif first.exists():
                with atomic_path(path) as temporary:
                    _link(first, temporary)

    def finish(self, model):
        """Write the last model, and the best ones that no evaluation could choose."""
        self._write(self.folder / "net_last.pth", model)
        for metric, name in BEST.items():
            path = self.folder / f"net_best_{name}.pth"
            candidates = [f"best_{metric}", "best_mpjpe", "best_loss", "last"]
            chosen = next(folder for folder in candidates if (self.folder / folder).is_dir())
            if not path.exists() and self._write(path, type(model).from_pretrained(self.folder / chosen)):
                self.experiment.say(f"{path} is {chosen}: {metric} could not be measured.")

    def _write(self, path, model):
        try:
            content = pack(model, **self.about)
        except ConfigError as error:
            if path.name == "net_last.pth":
                self.experiment.say(f"No .pth files: {error} Use the folders best_*/ and last/.")
            return False
        with atomic_path(path) as temporary:
            torch.save(content, temporary)
        return True


def _link(source, target):
    target.unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def pack(model, **about):
    """Give what a .pth of T2M-GPT holds, and beside it what that has no place for."""
    about["config"] = asdict(model.config)
    if isinstance(model, MotionTransformer):
        return {**transformer_state(model), ABOUT: about}
    stats = {"mean": model.mean.cpu().clone(), "std": model.std.cpu().clone()}
    return {"net": tokenizer_state(model), ABOUT: {**about, **stats, "fingerprint": model.fingerprint}}


def about_checkpoint(path):
    """Give what is written down about a checkpoint of ours; nothing for those of others."""
    path = Path(path)
    if path.is_dir():
        options = path.parent / "options.json"
        return {"dataname": read_json(options)["dataname"]} if options.exists() else {}
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UNREADABLE:
        return {}  # the loader, which comes next, says what is wrong with it
    about = content.get(ABOUT) if isinstance(content, dict) else None
    return about if isinstance(about, dict) else {}


def load_tokenizer(path, *, options=None, corpus=None):
    """Load a tokenizer from a folder, from our .pth, or from T2M-GPT's with the statistics of the corpus."""
    path, about = _given(path, "--resume-pth", "tokenizer"), about_checkpoint(path)
    if path.is_dir():
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


def load_transformer(path, *, heads=16):
    """Load a transformer from a folder, from our .pth, or from T2M-GPT's."""
    path, about = _given(path, "--resume-trans", "transformer"), about_checkpoint(path)
    if path.is_dir():
        return MotionTransformer.from_pretrained(path).to(DEVICE)
    recorded = about.get("config", {"num_heads": heads})
    hints = {
        name: recorded[name]
        for name in ("dropout", "text_encoder", "tokenizer", "frames_per_token")
        if name in recorded
    }
    return load_t2m_gpt_transformer(path, heads=recorded["num_heads"], **hints).to(DEVICE)


def _given(path, flag, what):
    if path is None:
        raise ConfigError(f"Which {what}?", fix=f"Give {flag}.")
    if not Path(path).exists():
        raise CheckpointError(f"There is no {what} here.", where=path, fix=f"Train one, or correct {flag}.")
    return Path(path)


def tokenizer_of(transformer, path, *, experiment=None, because="", **options):
    """Load the tokenizer whose codes a transformer writes.

    Where `path` is another checkpoint of the same experiment (net_last.pth for
    net_best_fid.pth), the right one beside it is taken and told.
    """
    tokenizer, wanted = load_tokenizer(path, **options), transformer.config.tokenizer
    if not wanted or tokenizer.fingerprint == wanted:
        return tokenizer
    for beside in sorted(Path(path).parent.glob("net_*.pth")):
        if experiment is not None and about_checkpoint(beside).get("fingerprint") == wanted:
            experiment.settle("resume_pth", str(beside), f"{because}, trained on its codes")
            return load_tokenizer(beside, **options)
    raise CheckpointError(
        "The transformer was trained on another tokenizer's codes.",
        where=because,
        expected=f"tokenizer {wanted}",
        found=f"tokenizer {tokenizer.fingerprint} ({path})",
        fix="Give the tokenizer it was trained on.",
    )


def open_corpus(dataname):
    """Open the corpus of a data set."""
    if not Path(CORPORA[dataname]).is_dir():
        raise ConfigError(
            f"The corpus of --dataname {dataname} is not here.", expected=Path(CORPORA[dataname]).resolve()
        )
    return Corpus(CORPORA[dataname])


def protocol_of(options, dataname, **changes):
    """Give the protocol of a data set, with the limits that were asked for."""
    changes |= {} if options.min_frames is None else {"min_frames": options.min_frames}
    return PROTOCOLS[dataname](max_frames=options.max_frames, **changes)


def choosing_protocol(options):
    """Give what picks the best checkpoints in a training."""
    return protocol_of(options, options.dataname, split="val", repeats=1, multimodality_texts=0)


def evaluator_to_choose(experiment, dataname, corpus, protocol):
    """Give the evaluator that picks the best checkpoints, or none where val is too small for one."""
    try:
        collect_samples(corpus, protocol)
    except DataError as error:
        experiment.say(f"No evaluator picks the best checkpoints: {error}")
        return None
    return load_evaluator(experiment.options, dataname, corpus, say=experiment.say)
