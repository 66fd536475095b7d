"""Where points are in the picture: what an estimator knows best; lengths of bones then say how far limbs reach."""

from collections.abc import Sequence

import torch

from ._solving import robust, shares

__all__ = ["Pictured"]

_FOCAL = 1.5  # heights of the picture: between a telephone's and a portrait's
_SCALE_SECONDS = 0.7  # people come nearer or go away no faster
_FORM_SIGMA = 0.02  # metres: how far a form as a whole may lie from where it is seen


class Pictured:
    """A term of `solve`: points of the body as a camera sees them, whatever their place and size in each picture.

    Parameters
    ----------
    joints : int tensor [shape=(P,)]
        The joint that carries each.
    offsets : tensor [shape=(P, 3)]
        Where it sits in the joint's frame.
    pixels : tensor [shape=(T, P, 2)]
        x right and y down, in heights of the picture.
    points : tensor [shape=(T, P, 3)]
        About where they are in space, metres: tells how large the body is in the picture.
    weights : tensor [shape=(T, P)]
    sigma : tensor [shape=(P,)]
        How far points may stray, metres.
    fps : float
    forms : sequence of bool tensors [shape=(P,)]
        Points that tell how something is shaped and turned, each group about its own middle, which itself counts as one
        rough point: a hand's marks say hardly more of where it is, and nothing of how near, or how large the body.
    """

    def __init__(
        self,
        joints: torch.Tensor,
        offsets: torch.Tensor,
        pixels: torch.Tensor,
        points: torch.Tensor,
        weights: torch.Tensor,
        sigma: torch.Tensor,
        *,
        fps: float,
        forms: Sequence[torch.Tensor] = (),
    ) -> None:
        self.joints, self.offsets, self.weights, self.sigma = joints, offsets, weights, sigma
        self.forms = [(form[:, None], shares(weights * form)) for form in forms]
        placed = sum(forms, torch.zeros_like(joints)) == 0
        self.share = shares(weights * placed / sigma.square())
        self.targets = pixels - self._middle(pixels)
        reach = max(round(2 * _SCALE_SECONDS * fps), 1)
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / (_SCALE_SECONDS * fps)).square())
        self.kernel = (kernel / kernel.sum())[None, None]
        about = points - self._middle(points)
        self.size = self._scale(about[..., :2] * about.new_tensor((1.0, -1.0))).clamp_min(1e-3)  # heights a metre
        self.distance = _FOCAL / self.size

    def _middle(self, values: torch.Tensor) -> torch.Tensor:
        return (values * self.share).sum(1, keepdim=True)

    def _scale(self, flat: torch.Tensor) -> torch.Tensor:
        """How large the body is ``(T, 1, 1)``, where it fits best; it changes slowly."""
        both = torch.stack([(flat * self.targets).sum(-1), flat.square().sum(-1)])
        sums = (both * self.share[..., 0]).sum(-1)[:, None]
        ends = torch.nn.functional.pad(sums, (self.kernel.shape[-1] // 2,) * 2, mode="replicate")
        slow = torch.nn.functional.conv1d(ends, self.kernel)[:, 0]
        return (slow[0] / slow[1].clamp_min(1e-9))[:, None, None]

    def __call__(self, positions: torch.Tensor, globals_: torch.Tensor) -> torch.Tensor:
        """Sum of squared distances in units of `sigma`; those far off count less than their square."""
        found = positions[:, self.joints] + (globals_[:, self.joints] @ self.offsets[..., None])[..., 0]
        found = found - self._middle(found)
        nearer = 1 / (1 - found[..., 2:] / self.distance).clamp_min(0.2)
        for form, share in self.forms:
            nearer = torch.where(form, (nearer * share).sum(1, keepdim=True).detach(), nearer)
        flat = found[..., :2] * found.new_tensor((1.0, -1.0)) * nearer
        flat = flat - self._middle(flat)
        apart = (self._scale(flat) * flat - self.targets) / self.size
        total = apart.new_zeros(())
        for form, share in self.forms:
            middle = (apart * share).sum(1, keepdim=True)
            away = robust((middle / _FORM_SIGMA).square().sum(-1))
            total = total + (away * (self.weights * form[:, 0]).amax(1, keepdim=True)).sum()
            apart = torch.where(form, apart - middle, apart)
        return total + (robust((apart / self.sigma[:, None]).square().sum(-1)) * self.weights).sum()
