"""Training a motion tokenizer."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, CorpusError
from ..evaluation import EvaluationConfig
from ..evaluation._samples import Samples, collect_samples
from ..evaluators import Evaluator
from ..features import features_to_joints
from ..io import Corpus
from ..io._corpus_faults import clips_for_training
from ..metrics import FewSamplesWarning, diversity, frechet_distance, matching_score, mpjpe, r_precision
from ..models import load_state
from ..skeletons import Skeleton
from ..vq import MotionTokenizer, TokenizerConfig, codebook_use, tokenizer_loss
from ._augmentation import AugmentedSampler, MotionAugmentation
from ._datasets import ClipTable, WindowSampler, count_clips
from ._loop import LoopConfig, check_start, fit
from ._options import VALIDATION

__all__ = ["TokenizerTraining", "measure_tokenizer", "train_tokenizer"]


@dataclass(frozen=True)
class TokenizerTraining(LoopConfig):
    """How a tokenizer is trained: the shared options of `LoopConfig`, and these.

    The defaults are what came out best in docs/tokenizer.rst, but for the
    learning rate, which is the original's for width 512: there, at width 128,
    1e-3 was better. `t2m_gpt` gives all of the original's.

    Attributes
    ----------
    tokenizer : TokenizerConfig
        Its skeleton, feature size and fps are taken from the corpus.
    window : int
        Frames of a sample. A shorter clip is used whole, its padding masked.
    reconstruction : str
        ``l1_smooth``, ``l1`` or ``l2``.
    velocity_weight, commitment_weight, joint_weight, trajectory_weight : float
        See `vq.tokenizer_loss`.
    augmentation : MotionAugmentation, optional
        How windows are changed, so that motion unlike the corpus has tokens too.
    evaluation : EvaluationConfig
        What the evaluator measures; its split and its limits count.
    """

    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    window: int = 64
    reconstruction: str = "l1_smooth"
    velocity_weight: float = 0.5
    commitment_weight: float = 0.02
    joint_weight: float = 2.0
    trajectory_weight: float = 0.5
    augmentation: MotionAugmentation | None = None
    evaluation: EvaluationConfig = VALIDATION

    @classmethod
    def t2m_gpt(cls, **changes: Any) -> "TokenizerTraining":
        """Give the original's training: its losses on the motion vectors alone, and its tokenizer.

        Examples
        --------
        >>> TokenizerTraining.t2m_gpt(steps=300_000).joint_weight
        0.0
        """
        original: dict[str, Any] = {
            "joint_weight": 0.0,
            "trajectory_weight": 0.0,
            "tokenizer": TokenizerConfig.t2m_gpt(),
        }
        return cls(**original | changes)


class _TokenizerTask:
    best: Mapping[str, str] = {
        "fid": "min",
        "diversity_gap": "min",
        "top1": "max",
        "matching": "min",
        "mpjpe_mm": "min",
    }

    def __init__(
        self, config: TokenizerTraining, corpus: Corpus, evaluator: Evaluator | None, file: Path | None = None
    ) -> None:
        self.config = config
        self.skeleton: Skeleton = Skeleton.named(config.tokenizer.skeleton)
        names = clips_for_training(corpus, spoken=False, stats=True)
        self.counts: dict[str, int] = count_clips(corpus, names)
        self.table: ClipTable = ClipTable.for_training(corpus, names["train"], file=file, shortest=config.window)
        self.sampler: Any = WindowSampler(self.table, config.window, config.batch_size, config.seed)
        if config.augmentation is not None:
            self.sampler = AugmentedSampler(self.sampler, config.augmentation, self.skeleton)
        self.model: MotionTokenizer = MotionTokenizer(config.tokenizer, corpus.stats)
        self.held_out: list[np.ndarray] = [corpus.features(name) for name in names["val"]]
        samples = None if evaluator is None else collect_samples(corpus, config.evaluation)
        self.judge: _Judge | None = None if evaluator is None or samples is None else _Judge(evaluator, samples)

    def batch(self, step: int, part: slice) -> dict[str, Any]:
        clips, _ = self.sampler.positions(step)
        features, mask = self.sampler.windows(step, part)
        names = [self.table.names[clip] for clip in clips[part].tolist()]
        return {"features": features, "mask": mask, "names": names, "shares": self._shares(step, part)}

    def _shares(self, step: int, part: slice) -> Any:
        """Give what a part has of the valid frames and tokens of its batch, 1 being its fair share."""
        frames = self.sampler.frames(step)
        counts = torch.stack((frames, -(-frames // self.config.tokenizer.frames_per_token)))
        return (counts[:, part].sum(1) * (len(frames) / len(frames[part])) / counts.sum(1)).tolist()

    def loss(self, model: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        output = model(batch["features"], batch["mask"])
        loss = tokenizer_loss(
            output,
            skeleton=self.skeleton,
            reconstruction=self.config.reconstruction,
            velocity_weight=self.config.velocity_weight,
            commitment_weight=self.config.commitment_weight,
            joint_weight=self.config.joint_weight,
            trajectory_weight=self.config.trajectory_weight,
            mask=batch["mask"],
        )
        # Means over parts of different length, each with its share: their mean is that of the whole batch.
        frames, tokens = batch["shares"]
        parts = {name: value * (tokens if name == "commitment" else frames) for name, value in vars(loss).items()}
        parts["total"] = parts["total"] + (tokens - frames) * self.config.commitment_weight * loss.commitment
        return {"loss": parts.pop("total"), **parts, "perplexity": output.perplexity}

    def evaluate(self, model: Any) -> dict[str, float]:
        figures = measure_tokenizer(model, self.held_out)
        return figures if self.judge is None else figures | self.judge(model)


class _Judge:
    """What an evaluator says of a tokenizer: the same held-out motions and texts each time."""

    def __init__(self, evaluator: Evaluator, samples: Samples) -> None:
        self.evaluator, self.samples = evaluator, samples
        self.real: torch.Tensor = evaluator.embed_motion(samples.features)
        self.text: torch.Tensor = evaluator.embed_text([samples.texts[choices[0]] for choices in samples.choices])
        # Clips of one kind lie side by side in a corpus; a pool of 32 must not be of one kind only.
        self.order: np.ndarray = np.random.default_rng(0).permutation(len(samples))
        self.spread: float = float(diversity(self.real, rng=np.random.default_rng(0)))

    def __call__(self, tokenizer: MotionTokenizer) -> dict[str, float]:
        made = self.evaluator.embed_motion([_rebuild(tokenizer, clip)[0] for clip in self.samples.features])
        top = r_precision(self.text[self.order], made[self.order], batch_size=32)
        spread = float(diversity(made, rng=np.random.default_rng(0)))
        with warnings.catch_warnings():
            # The distances of one training all have the same number of clips, so they can be compared.
            warnings.simplefilter("ignore", FewSamplesWarning)
            fid = float(frechet_distance(self.real, made))
        figures = {"fid": fid, "diversity": spread, "diversity_gap": abs(spread - self.spread)}
        return figures | {
            "top1": float(top[0]),
            "top3": float(top[2]),
            "matching": float(matching_score(self.text, made)),
        }


def _rebuild(tokenizer: MotionTokenizer, clip: np.ndarray, refine: int = 0) -> tuple[np.ndarray, torch.Tensor]:
    """Give a clip as the tokenizer gives it back, and its tokens."""
    device = next(tokenizer.parameters()).device
    codes = tokenizer.encode(torch.from_numpy(np.array(clip)).to(device), refine=refine)
    return tokenizer.decode(codes)[: len(clip)].cpu().numpy(), codes.reshape(-1).cpu()


def measure_tokenizer(tokenizer: MotionTokenizer, clips: Iterable[np.ndarray], *, refine: int = 0) -> dict[str, float]:
    """Measure what a tokenizer loses, over whole clips.

    Parameters
    ----------
    tokenizer : MotionTokenizer
    clips : list of array [shape=(T, D)]
        Raw motion vectors. Clips too short for one token are left out.
    refine : int
        See `MotionTokenizer.encode`.

    Returns
    -------
    figures : dict of str to float
        ``mpjpe_mm`` and ``root_mpjpe_mm`` (millimetres, global and with the roots
        laid on each other), ``codebook_use`` (share of codes that occur).

    Raises
    ------
    CorpusError
        If all clips are too short.

    Examples
    --------
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8)).eval()
    >>> sorted(measure_tokenizer(tokenizer, [np.random.default_rng(0).normal(size=(40, 263)).astype(np.float32)]))
    ['codebook_use', 'mpjpe_mm', 'root_mpjpe_mm']
    """
    skeleton = Skeleton.named(tokenizer.config.skeleton)
    clips = [clip for clip in clips if len(clip) >= tokenizer.frames_per_token]
    if not clips:
        raise CorpusError("There is nothing to measure on.", expected="a clip of one token at least", found="none")
    tokens, errors, frames = [], np.zeros(2), 0
    for clip in clips:
        rebuilt, codes = _rebuild(tokenizer, clip, refine)
        tokens.append(codes)
        found, given = (features_to_joints(x, skeleton=skeleton) for x in (rebuilt, clip))
        errors += len(found) * np.array([mpjpe(found, given), mpjpe(found, given, align="root")])
        frames += len(found)
    scale = 1000 * skeleton.metres_per_unit
    return {
        "mpjpe_mm": float(errors[0] / frames) * scale,
        "root_mpjpe_mm": float(errors[1] / frames) * scale,
        "codebook_use": codebook_use(torch.cat(tokens), tokenizer.config.num_codes),
    }


def train_tokenizer(
    config: TokenizerTraining,
    corpus: Corpus,
    output: str | Path,
    *,
    evaluator: Evaluator | None = None,
    start: MotionTokenizer | None = None,
    resume: bool = False,
    progress: bool = True,
    **hooks: Any,
) -> MotionTokenizer:
    """Train a motion tokenizer on the train split of a corpus.

    Parameters
    ----------
    config : TokenizerTraining
    corpus : Corpus
        With Mean and Std, and clips in train and val.
    output : path
        See `fit`; ``best_mpjpe_mm/`` and ``last/`` hold tokenizers.
    evaluator : MotionEvaluator, optional
        Also keeps ``best_fid/``, ``best_diversity_gap/``, ``best_top1/`` and ``best_matching/``.
    start : MotionTokenizer, optional
        Weights to start from; the statistics stay those of the corpus.
    resume, progress : bool
    **hooks
        ``on_best``, see `fit`.

    Returns
    -------
    tokenizer : MotionTokenizer
        The last one, in evaluation mode.

    Raises
    ------
    ConfigError, CorpusError, DataError
        Before the first step, if the options or the corpus cannot work.
    CheckpointError
        If `start` is of another size.

    Examples
    --------
    >>> from ktube_motion.io import Corpus
    >>> train_tokenizer(TokenizerTraining(steps=1000), Corpus("KTubeUM"), "output/VQVAE")  # doctest: +SKIP
    """
    config = replace(config, tokenizer=_fitted(config.tokenizer, corpus))
    if config.window < config.tokenizer.frames_per_token or config.window % config.tokenizer.frames_per_token:
        raise ConfigError(
            "The window does not fit the tokenizer.",
            expected=f"a multiple of its {config.tokenizer.frames_per_token} frames a token",
            found=config.window,
        )
    check_start(config, output, resume=resume)
    torch.manual_seed(config.seed)
    task = _TokenizerTask(config, corpus, evaluator, Path(output) / "clips.npy")
    if start is not None:
        own = {name: value for name, value in task.model.state_dict().items() if name in ("mean", "std")}
        load_state(task.model, start.state_dict() | own, where="the tokenizer to start from")
    fit(task, config, output, resume=resume, progress=progress, **hooks)
    return task.model.eval()


def _fitted(config: TokenizerConfig, corpus: Corpus) -> TokenizerConfig:
    """Give the config the skeleton, feature size and fps of the corpus: they are never the caller's to choose."""
    from_corpus: dict[str, Any] = {
        "skeleton": corpus.skeleton.name,
        "feature_size": corpus.skeleton.feature_size,
        "fps": corpus.fps,
    }
    return replace(config, **from_corpus)
