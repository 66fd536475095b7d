"""The options that every training shares."""

from dataclasses import dataclass

from ..arrays import check_whole
from ..errors import ConfigError
from ..evaluation import EvaluationConfig

__all__ = ["VALIDATION", "LoopConfig", "learning_rate"]

# What an evaluation in the middle of a training measures: quickly, on clips kept for choosing.
VALIDATION = EvaluationConfig(split="val", repeats=1, multimodality_texts=0)


@dataclass(frozen=True)
class LoopConfig:
    """Options that every training shares.

    Attributes
    ----------
    steps, batch_size : int
        Optimizer steps, and samples in each over all processes.
    learning_rate : float
    betas : (float, float)
        Of AdamW.
    weight_decay : float
    warmup : int
        Steps of linear warm-up.
    milestones : tuple of int
        Steps at which the rate is multiplied by `decay`.
    decay : float
    clip_norm : float or None
        Largest gradient norm.
    accumulation : int
        Pieces a batch is cut into, to save memory.
    mixed_precision : str
        ``"auto"`` (what the device has: bf16, and TF32 for what stays in fp32),
        ``"no"``, ``"bf16"`` or ``"fp16"``.
    compile : bool
        Compile the model with torch.compile.
    fsdp : bool
        In several processes, cut weights, gradients and optimizer states into a share for each
        (PyTorch's ``fully_shard``), so that a model need not fit one card.
    weight_average : float or None
        Decay of an exponential moving average of the weights, which is then
        what is evaluated and kept.
    seed : int
    log_every, evaluate_every, save_every : int
        Steps between lines in the log, evaluations, checkpoints.
    tracker : str or None
        Any tracker Accelerate knows.

    Examples
    --------
    >>> config = LoopConfig(steps=1000, batch_size=32, warmup=50, milestones=(800,), decay=0.2)
    >>> round(learning_rate(config, 900) / learning_rate(config, 700), 6)
    0.2
    """

    steps: int = 100_000
    batch_size: int = 256
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup: int = 1000
    milestones: tuple[int, ...] = (50_000,)
    decay: float = 0.05
    clip_norm: float | None = None
    accumulation: int = 1
    mixed_precision: str = "auto"
    compile: bool = False
    fsdp: bool = False
    weight_average: float | None = None
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 1000
    save_every: int = 1000
    tracker: str | None = "tensorboard"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation", "log_every", "evaluate_every", "save_every"):
            check_whole(getattr(self, name), name=name, least=1)
        check_whole(self.seed, name="seed", most=2**32 - 1)  # the steps' seeds are made of it, and have 64 bits
        if not self.learning_rate > 0:
            raise ConfigError("learning_rate cannot work.", expected="a positive number", found=self.learning_rate)
        if self.batch_size % self.accumulation:
            raise ConfigError(
                "A batch must be cut into equal pieces.",
                expected="batch_size divisible by accumulation",
                found=f"{self.batch_size} and {self.accumulation}",
            )
        if self.fsdp and self.weight_average is not None:
            raise ConfigError("Weights that are shared out have no running mean.", fix="Leave out weight_average.")
        if self.mixed_precision not in ("auto", "no", "bf16", "fp16"):
            raise ConfigError("Unknown precision.", expected="auto, no, bf16 or fp16", found=self.mixed_precision)


def learning_rate(config: LoopConfig, step: int) -> float:
    """Give the learning rate of a step: linear warm-up, then a drop at each milestone.

    Examples
    --------
    >>> config = LoopConfig(learning_rate=1.0, warmup=10, milestones=(100,), decay=0.05)
    >>> [learning_rate(config, step) for step in (0, 9, 99, 100)]
    [0.1, 1.0, 1.0, 0.05]
    """
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    return config.learning_rate * warm * config.decay ** sum(step >= mark for mark in config.milestones)
