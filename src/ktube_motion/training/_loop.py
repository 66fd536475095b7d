"""The one training loop, on Hugging Face Accelerate, for tokenizer, transformer and evaluator.

A step is a function of the saved state and the step number: its batch and all
its random numbers are seeded with the two. So a job killed at any moment and
resumed goes on to the identical result, and a checkpoint needs no random
states and no sampler position.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from ..errors import CheckpointError, ConfigError, DataError
from ..io._files import atomic_folder, write_json, write_text
from ..io._writing import only_one
from ..models._torch_files import load_checked, save_checked
from ._device import capabilities, compile_obstacle, tf32_matmul, training_device
from ._folder import check_output, kept_log, plain, same_files
from ._interrupt import Interrupt
from ._options import LoopConfig, learning_rate
from ._shares import Shares, told_of_lost_processes

__all__ = ["CHECKPOINT", "LoopConfig", "Task", "check_start", "fit", "learning_rate"]

CHECKPOINT = "checkpoint.pt"  # everything needed to resume

if TYPE_CHECKING:
    from torch.optim.swa_utils import AveragedModel

_LOGGER = logging.getLogger(__name__)


class Task(Protocol):
    """What the loop needs to know of a model's training.

    Attributes
    ----------
    model : nn.Module
    best : mapping of str to "min" or "max"
        Metrics of `evaluate` whose best model is kept in ``best_METRIC/``.

    Notes
    -----
    What it left out of its data it may tell as ``counts``, a dict of str to int; the summary repeats it.
    """

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    @property
    def best(self) -> Mapping[str, str]:
        """Which metrics are kept, and which way is better."""

    def batch(self, step: int, part: slice) -> dict[str, Any]:
        """Give the samples `part` of the batch of a step, with their ``names``."""

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Give ``loss`` to minimise, and other numbers to log; `model` is the wrapped one."""

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Measure the model on held-out data."""


def fit(
    task: Task,
    config: LoopConfig,
    output: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    on_best: Callable[[tuple[str, ...], nn.Module], None] | None = None,
) -> dict[str, float]:
    """Train until ``config.steps`` and write everything under `output`.

    Parameters
    ----------
    task : Task
    config : LoopConfig
    output : path
        Gets ``config.json``, ``log.jsonl``, the tracker's files,
        ``checkpoint.pt`` (everything needed to resume), ``last/`` and
        ``best_METRIC/`` (models for ``from_pretrained``), ``summary.json``. One process at a time may.
    resume : bool
        Go on from ``checkpoint.pt``; the config must be the same but for `steps`.
    progress : bool
        Show a bar, on a terminal.
    on_best : callable, optional
        Called with the metrics and the model after an evaluation that was the best so far in them.

    Returns
    -------
    summary : dict of str to float
        The last evaluation, the best values and what was left out (``data/…``), as in ``summary.json``; and
        the seconds spent by this call.

    Raises
    ------
    ConfigError
        If `output` holds another or an unfinished experiment, another process trains there, or the device
        cannot compile.
    CheckpointError
        If ``checkpoint.pt`` is damaged.
    DataError
        If the loss is not finite; the message names the clips of the batch.
    KtubeError
        If another process of this training has ended.
    WriteError
        If the disk is full; the last checkpoint is unharmed.

    Notes
    -----
    A checkpoint is written before every evaluation, and what is measured is in the next one, or is measured
    again: a job killed at any moment and resumed leaves the same files as one that was not. Ctrl-C finishes the
    step, saves, and stops with KeyboardInterrupt; an evaluation it stops at once.
    """
    check_start(config, output, resume=resume)
    loop = _Loop(task, config, Path(output), progress=progress, on_best=on_best)
    alone = only_one(output, "a training") if loop.accelerator.is_main_process else nullcontext()
    lost = told_of_lost_processes(loop.accelerator.num_processes, Path(output))
    with lost, alone, tf32_matmul(loop.able.tf32 and config.mixed_precision == "auto"):
        loop.start(resume=resume)
        return loop.run()


def check_start(config: LoopConfig, output: str | Path, *, resume: bool) -> None:
    """Raise what `fit` would raise before its first step; for those who have work to do before that.

    Raises
    ------
    ConfigError
        If `output` holds another or an unfinished experiment, or the device
        cannot compile.
    """
    check_output(Path(output), config, resume)
    obstacle = compile_obstacle(training_device()) if config.compile else None
    if obstacle is not None:
        raise ConfigError("This device cannot compile.", found=obstacle, fix="Train with compile=False.")


class _Loop:
    """The state of one call of `fit`."""

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        output: Path,
        *,
        progress: bool,
        on_best: Callable[[tuple[str, ...], nn.Module], None] | None,
    ) -> None:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        self.task, self.config, self.output = task, config, output
        self.progress, self.on_best = progress, on_best
        device = training_device()
        self.able = capabilities(device)
        precision = self.able.mixed_precision if config.mixed_precision == "auto" else config.mixed_precision
        # Accelerate keeps the precision of a process's first training; the next one may have another.
        AcceleratorState._reset_state()
        self.accelerator = Accelerator(
            mixed_precision=precision,
            cpu=device.type == "cpu",
            log_with=config.tracker,
            project_dir=str(output),
            step_scheduler_with_optimizer=False,
        )
        if config.batch_size % (self.accelerator.num_processes * config.accumulation):
            raise ConfigError(
                "The batch cannot be shared out.",
                expected=f"batch_size divisible by {self.accelerator.num_processes} processes × {config.accumulation}",
                found=config.batch_size,
            )
        shared = config.fsdp and self.accelerator.num_processes > 1
        self.shares = Shares(task.model, self.accelerator.device) if shared else None
        optimizer = torch.optim.AdamW(
            task.model.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            # Without it the foreach path makes temporaries as large as the model, too much for a 12 GB card.
            fused=self.able.fused_adamw or None,
        )
        self.model, self.optimizer = task.model, optimizer
        if self.shares is None:
            self.model, self.optimizer = self.accelerator.prepare(task.model, optimizer)
        # Beside the model, not in its place: what is saved, evaluated and given back stays the plain one.
        self.forward: Any = torch.compile(self.model) if config.compile else self.model
        self.average: AveragedModel | None = None
        if config.weight_average is not None:
            from torch.optim import swa_utils

            average = swa_utils.get_ema_multi_avg_fn(config.weight_average)
            self.average = swa_utils.AveragedModel(self._bare(), multi_avg_fn=average, use_buffers=True)
        self.step, self.best_values = 0, dict[str, float]()
        # What was measured last, and after which step.
        self.evaluation, self.evaluated = dict[str, float](), 0
        self.saved = 0
        self.log_lines: list[str] = []

    def start(self, *, resume: bool) -> None:
        """Take up what was saved, and write down what is trained."""
        if resume:
            self._load()
        self.log_lines = kept_log(self.output / "log.jsonl", self.step, self.evaluated)
        if self.accelerator.is_main_process:
            self._start_output()

    def run(self) -> dict[str, float]:
        """Train from the step that was reached to the last."""
        from tqdm import tqdm

        bar = tqdm(
            total=self.config.steps,
            initial=self.step,
            desc=self.output.name,
            unit="step",
            disable=not (self.progress and self.accelerator.is_main_process) or None,
        )
        began = time.perf_counter()
        with bar, Interrupt() as interrupt:
            try:
                if self.step and self._due(self.config.evaluate_every) and self.evaluated < self.step:
                    with interrupt.at_once():
                        self._evaluate()  # killed between the checkpoint and this
                while self.step < self.config.steps:
                    self._advance(bar, interrupt)
                self._save()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"Stopped and saved at step {self.saved}; go on with resume=True.") from None
        return self._finish(time.perf_counter() - began)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.steps

    def _advance(self, bar: Any, interrupt: Interrupt) -> None:
        """Take a step, and do what is due after it."""
        values = self._train_step()
        self.step += 1
        bar.update()
        if self._due(self.config.log_every):
            values = self._over_processes(values)
            bar.set_postfix({"loss": f"{values['loss']:.4g}"})
            self._log(values)
        evaluate, stop = self._due(self.config.evaluate_every), self._asked(interrupt)
        if evaluate or self._due(self.config.save_every) or stop:
            self._save()
        if stop:
            raise KeyboardInterrupt
        if evaluate:
            with interrupt.at_once():
                self._evaluate()

    def _asked(self, interrupt: Interrupt) -> bool:
        """Say whether any process was asked to stop: all must after the same step, or they wait for ever."""
        if self.accelerator.num_processes == 1:
            return interrupt.asked
        asked = torch.tensor(float(interrupt.asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(asked, "sum") > 0)

    # -- one step ------------------------------------------------------------

    def _train_step(self) -> dict[str, float]:
        config, accelerator = self.config, self.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        # Dropout, masking and re-seeding draw from the global generator: seeded, a step can be repeated exactly.
        torch.manual_seed((config.seed * 1_000_003 + self.step) * 1_009 + accelerator.process_index)
        self.model.train()
        share = config.batch_size // (accelerator.num_processes * config.accumulation)
        totals: dict[str, float] = {}
        for piece in range(config.accumulation):
            first = (accelerator.process_index * config.accumulation + piece) * share
            batch = _to_device(self.task.batch(self.step, slice(first, first + share)), accelerator.device)
            last = piece == config.accumulation - 1
            # The gradients of all processes are summed once, with the last piece.
            if self.shares is not None:
                self.shares.sum_gradients(last)
            alone = nullcontext() if last or self.shares is not None else accelerator.no_sync(self.model)
            with alone, accelerator.autocast():
                values = self.task.loss(self.forward, batch)
                accelerator.backward(values["loss"] / config.accumulation)
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + float(value.detach()) / config.accumulation
            if not math.isfinite(totals["loss"]):
                raise DataError(
                    f"The loss is {totals['loss']} at step {self.step}.",
                    where=self.output,
                    found=f"clips {', '.join(map(str, batch.get('names', ['?'])[:8]))}, …",
                    fix="Look at those clips, or lower the learning rate; the last checkpoint is unharmed.",
                )
        if config.clip_norm is not None:
            if self.shares is not None:
                totals["gradient_norm"] = self.shares.clip(config.clip_norm)
            else:
                norm = accelerator.clip_grad_norm_(self.model.parameters(), config.clip_norm)
                totals["gradient_norm"] = float(norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self._bare())
        return totals

    # -- measuring and keeping -------------------------------------------------

    def _bare(self) -> Any:
        return self.accelerator.unwrap_model(self.model)

    def _kept_model(self) -> Any:
        """Give the model that is measured and kept; all processes call this, as each may hold a share of it."""
        if self.shares is not None:
            return self.shares.whole().to(self.accelerator.device)
        return self.average.module if self.average is not None else self._bare()

    def _over_processes(self, values: dict[str, float]) -> dict[str, float]:
        """Average what each process measured on its part of the batch."""
        if self.accelerator.num_processes == 1:
            return values
        numbers = torch.tensor(list(values.values()), device=self.accelerator.device)
        return dict(zip(values, self.accelerator.reduce(numbers, "mean").tolist(), strict=True))

    def _log(self, values: dict[str, float]) -> None:
        values = {**values, "learning_rate": learning_rate(self.config, self.step - 1)}
        if self.config.tracker is not None:
            self.accelerator.log(values, step=self.step)
        if self.accelerator.is_main_process:
            _LOGGER.info("step %d: %s", self.step, ", ".join(f"{name} {value:.5g}" for name, value in values.items()))
            self.log_lines.append(json.dumps({"step": self.step, **values}))
            write_text(self.output / "log.jsonl", "\n".join(self.log_lines) + "\n")

    def _evaluate(self) -> None:
        values: dict[str, float] = {}
        model = self._kept_model()
        if self.accelerator.is_main_process:
            model = model.eval()
            torch.manual_seed(self.config.seed)
            with torch.no_grad():
                values = self.task.evaluate(model)
            self._keep_best(values, model)
        self.accelerator.wait_for_everyone()
        if values:
            self._log({f"val/{name}": value for name, value in values.items()})
        self.evaluation, self.evaluated = values, self.step

    def _keep_best(self, values: dict[str, float], model: Any) -> None:
        better = []
        for name, direction in self.task.best.items():
            value, best = values.get(name), self.best_values.get(name)
            if value is None or not math.isfinite(value):
                continue  # a metric that could not be measured is in the log as it is; it cannot be best
            if best is None or (value < best if direction == "min" else value > best):
                self.best_values[name] = value
                better.append(name)
        for name in better:
            with atomic_folder(self.output / f"best_{name}") as folder:
                # One model, best in several ways, is on the disk once.
                if name == better[0] or not same_files(self.output / f"best_{better[0]}", folder):
                    model.save_pretrained(folder)
        if better and self.on_best is not None:
            self.on_best(tuple(better), model)

    def _save(self) -> None:
        if self.shares is None:
            model, optimizer = self._bare().state_dict(), self.optimizer.state_dict()
        else:
            model, optimizer = self.shares.state(self.optimizer)
        if self.accelerator.is_main_process:
            state = {
                "step": self.step,
                "model": model,
                "optimizer": optimizer,
                "average": None if self.average is None else self.average.state_dict(),
                "best": self.best_values,
                "evaluation": self.evaluation,
                "evaluated": self.evaluated,
            }
            save_checked(self.output / CHECKPOINT, state)
        self.saved = self.step
        self.accelerator.wait_for_everyone()

    def _load(self) -> None:
        path = self.output / CHECKPOINT
        if not os.path.exists(path):
            return  # stopped before the first checkpoint: start again, which gives the same result
        state = load_checked(path)
        try:
            if self.shares is None:
                self._bare().load_state_dict(state["model"])
                self.optimizer.load_state_dict(state["optimizer"])
            else:
                self.shares.load(self.optimizer, state["model"], state["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.step, self.best_values = state["step"], state["best"]
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError("This checkpoint does not fit.", where=path, found=error) from error
        self.saved = self.step
        # One of before these were kept is measured again where that is due.
        self.evaluation, self.evaluated = state.get("evaluation", {}), state.get("evaluated", 0)

    def _start_output(self) -> None:
        write_json(self.output / "config.json", plain(self.config))
        if self.config.tracker is not None:
            self.accelerator.init_trackers("tensorboard" if self.config.tracker == "tensorboard" else self.output.name)

    def _finish(self, seconds: float) -> dict[str, float]:
        counts = {f"data/{name}": count for name, count in getattr(self.task, "counts", {}).items()}
        summary = {**self.evaluation, **{f"best_{k}": v for k, v in self.best_values.items()}, **counts}
        model = self._kept_model()
        if self.shares is not None:
            setattr(self.task, "model", model)  # noqa: B010 (read only for others): whole again, for who asked
        if self.accelerator.is_main_process:
            with atomic_folder(self.output / "last") as folder:
                model.save_pretrained(folder)
            # No seconds: however often it was stopped, a training leaves the same summary.
            write_json(self.output / "summary.json", summary)
            _LOGGER.info("done in %.1f s", seconds)
        if self.config.tracker is not None:
            self.accelerator.end_training()
        self.accelerator.wait_for_everyone()
        return {**summary, "seconds": round(seconds, 1)}


def _to_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {k: v.to(device, non_blocking=True) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
