"""Motion beside generated motion: what came before it, and what comes after."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..arrays import ArrayLike
from ..errors import ConfigError, DataError
from ..features import joints_to_features, rebone
from ..skeletons import Skeleton
from ..types import Motion
from ..vq import MotionTokenizer
from ._placing import fit_ground, move, settle

__all__ = ["Before", "Neighbour", "check_neighbour", "end_of", "prefixes", "start_of"]

_SECONDS_TO_SETTLE = 0.4


@dataclass(frozen=True, eq=False)
class Before:
    """Tokens that came before generated ones.

    Attributes
    ----------
    tokens : int64 tensor [shape=(L,)]
    context : int or None
        How many of the last ones the transformer reads; None for all. The decoder sees them all.
    """

    tokens: torch.Tensor
    context: int | None = None

    @property
    def read(self) -> torch.Tensor:
        """The last tokens, as many as the transformer reads."""
        return self.tokens if self.context is None else self.tokens[max(0, len(self.tokens) - self.context) :]


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbour(Before):
    """A motion beside a generated one: its tokens up to the seam, or from it on, and its place.

    Attributes
    ----------
    edge : float64 tensor [shape=(2, J, 3)]
        The two frames next to the seam.
    skeleton : Skeleton
    bones : float64 tensor [shape=(J, 3)]
        Bones as long as this person's: motion is generated for the skeleton's body, and has to fit.
    floor : float
        Height of its lowest point, which tokens do not know.
    settling : int
        Frames over which the decoder's error against the edge dies out.
    """

    edge: torch.Tensor
    skeleton: Skeleton
    bones: torch.Tensor
    floor: float
    settling: int

    def seam(
        self, known: ArrayLike, *, frames: int | None = None
    ) -> tuple[Callable[[ArrayLike], torch.Tensor], torch.Tensor]:
        """Find where decoded joints go on from this motion.

        Parameters
        ----------
        known : array or tensor [shape=(2, J, 3)]
            The last two frames of this motion as the decoder sees them.
        frames : int, optional
            How many frames there are before the next motion.

        Returns
        -------
        put : callable
            Gives decoded joints ``(T, J, 3)`` this motion's body, and turns and moves them to where it ends.
        offsets : float64 tensor [shape=(at most settling, J, 3)]
            To be added from the first frame on: they keep the seam smooth.
        """
        fit = fit_ground(self._fitted(known)[1], self.edge[1])

        def put(joints: ArrayLike) -> torch.Tensor:
            placed = move(self._fitted(joints), *fit)
            placed[..., 1] += self.floor
            return placed

        error = self.edge - put(known)
        settling = self.settling if frames is None else min(self.settling, frames + 1)
        return put, settle(error[1], error[1] - error[0], settling)

    def _fitted(self, joints: ArrayLike) -> torch.Tensor:
        """Stretch decoded joints ``(T, J, 3)`` to this body, and their path with the legs; in float64."""
        joints, own = torch.as_tensor(joints).double(), self.skeleton.offsets
        return rebone(joints, skeleton=self.skeleton, target_offsets=self.bones, source_offsets=own)

    def continued(self, joints: np.ndarray) -> np.ndarray:
        """Give what follows the first two frames of `joints` as it goes on from this motion: ``(T, J, 3)``."""
        put, offsets = self.seam(joints[:2])
        placed = put(joints[2:])
        placed[: len(offsets)] += offsets[: len(placed)]
        return placed.numpy()


def check_neighbour(motion: Motion, tokenizer: MotionTokenizer, name: str) -> None:
    """Raise `DataError` unless a motion is one that the tokenizer can read."""
    config = tokenizer.config
    if not isinstance(motion, Motion):
        raise DataError(f"{name} must be a Motion.", found=type(motion).__name__)
    if motion.skeleton.name != config.skeleton or motion.fps != config.fps:
        raise DataError(
            f"The {name} does not fit the tokenizer.",
            expected=f"{config.skeleton} at {config.fps:g} fps",
            found=f"{motion.skeleton.name} at {motion.fps:g} fps",
            fix="Use ktube_motion.filters.resample, or another skeleton.",
        )
    if motion.positions is None:
        raise DataError(f"The {name} has no positions.", fix="Use ktube_motion.kinematics.forward_kinematics.")
    least = max(2, tokenizer.frames_per_token)
    if len(motion) < least:
        raise DataError(f"The {name} is too short.", expected=f"{least} frames or more", found=f"{len(motion)} frames")


def end_of(motion: Motion, tokenizer: MotionTokenizer, *, context: int) -> Neighbour:
    """Read the end of a motion: the tokens that are needed, the last of which ends with its last frame."""
    per_token = tokenizer.frames_per_token
    needed = max(context, tokenizer.decoder.reach)
    positions = motion.require("positions")[-per_token * (needed + tokenizer.encoder.reach) :].astype(np.float64)
    features = _features(positions, motion.skeleton)
    codes = tokenizer.encode(features[len(features) % per_token :])
    return _neighbour(codes[-needed:], positions, positions[-2:], motion, context)


def start_of(motion: Motion, tokenizer: MotionTokenizer, *, context: int) -> Neighbour:
    """Read the start of a motion: the tokens that are needed, the first of which begins with its first frame."""
    per_token = tokenizer.frames_per_token
    needed = max(context, tokenizer.decoder.reach)
    positions = motion.require("positions")[: per_token * (needed + tokenizer.encoder.reach)].astype(np.float64)
    codes = tokenizer.encode(_features(positions, motion.skeleton))
    return _neighbour(codes[:needed], positions, positions[:2], motion, context)


def prefixes(
    prefix: Motion | torch.Tensor | Sequence[torch.Tensor], count: int, tokenizer: MotionTokenizer, context: int
) -> list[Before]:
    """Give what came before each of `count` texts: a `Motion`, or tokens as for `gpt.generate`."""
    if isinstance(prefix, Motion):
        check_neighbour(prefix, tokenizer, "prefix")
        return [end_of(prefix, tokenizer, context=context)] * count
    one = isinstance(prefix, torch.Tensor) and prefix.ndim == 1
    rows = [prefix] * count if one else prefix
    try:
        return [Before(torch.as_tensor(row).cpu()) for row in rows]
    except (TypeError, ValueError, RuntimeError) as error:
        expected = "a Motion, or tokens"
        raise ConfigError("prefix cannot be this.", expected=expected, found=type(prefix).__name__) from error


def _features(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    # Vectors are about steps, one fewer than frames: a step like the last one keeps the last frame in.
    positions = np.concatenate((positions, 2 * positions[-1:] - positions[-2:-1]))
    return joints_to_features(positions, skeleton=skeleton).astype(np.float32)


def _neighbour(codes: np.ndarray, positions: np.ndarray, edge: np.ndarray, motion: Motion, context: int) -> Neighbour:
    return Neighbour(
        torch.as_tensor(codes),
        context,
        edge=torch.tensor(edge),
        skeleton=motion.skeleton,
        bones=_bones(positions, motion.skeleton),
        floor=float(positions[..., 1].min()),
        settling=max(1, round(_SECONDS_TO_SETTLE * motion.fps)),
    )


def _bones(positions: np.ndarray, skeleton: Skeleton) -> torch.Tensor:
    """Give bones ``(J, 3)`` of the lengths that joints ``(T, J, 3)`` have in the median; they point anywhere."""
    bones = positions[:, 1:] - positions[:, list(skeleton.parents[1:])]
    lengths = np.pad(np.median(np.linalg.norm(bones, axis=-1), 0), (1, 0))
    return torch.tensor(lengths[:, None] * [0.0, 1.0, 0.0])
