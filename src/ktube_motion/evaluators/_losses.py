"""What an evaluator learns from: pairs near, strangers far, and look-alikes left in peace."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ..errors import ShapeError

__all__ = ["contrastive_loss", "false_negatives", "margin_loss", "timed_contrastive_loss"]


def false_negatives(
    texts: Sequence[str] | None = None,
    text_vectors: torch.Tensor | None = None,
    *,
    threshold: float = 0.9,
    size: int | None = None,
) -> torch.Tensor:
    """Mark pairs of a batch that must not count as strangers.

    Parameters
    ----------
    texts : sequence of str, optional
        Sentences of the batch; equal ones are marked.
    text_vectors : tensor [shape=(B, dim)], optional
        Their sentence vectors; pairs with a cosine above `threshold` are marked.
    threshold : float
    size : int, optional
        The batch size, where neither is given.

    Returns
    -------
    mask : bool tensor [shape=(B, B)]
        False on the diagonal.

    Examples
    --------
    >>> false_negatives(["손을 흔든다", "앉는다", "손을 흔든다"]).int()
    tensor([[0, 0, 1],
            [0, 0, 0],
            [1, 0, 0]], dtype=torch.int32)
    """
    known = texts if texts is not None else text_vectors
    count = len(known) if known is not None else size or 0
    device = text_vectors.device if text_vectors is not None else "cpu"
    mask = torch.zeros(count, count, dtype=torch.bool, device=device)
    if texts is not None:
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        index = torch.tensor([places[text] for text in texts], device=device)
        mask |= index[:, None] == index
    if text_vectors is not None:
        if text_vectors.shape[:1] != (count,) or text_vectors.ndim != 2:
            raise ShapeError(
                "Text vectors do not fit the batch.", expected=f"({count}, dim)", found=tuple(text_vectors.shape)
            )
        unit = F.normalize(text_vectors.detach().float(), dim=-1)
        mask |= unit @ unit.T > threshold
    return mask.fill_diagonal_(False)


def _check_pairs(motion: torch.Tensor, text: torch.Tensor) -> None:
    if motion.shape != text.shape or motion.ndim != 2 or len(motion) < 2:
        raise ShapeError(
            "A contrast needs two pairs at least.",
            expected="(B, E) twice, B >= 2",
            found=f"{tuple(motion.shape)} and {tuple(text.shape)}",
        )


def contrastive_loss(
    motion: torch.Tensor,
    text: torch.Tensor,
    *,
    temperature: torch.Tensor | float = 0.1,
    texts: Sequence[str] | None = None,
    text_vectors: torch.Tensor | None = None,
    threshold: float = 0.9,
) -> torch.Tensor:
    """Symmetric InfoNCE over a batch of pairs.

    Parameters
    ----------
    motion, text : tensor [shape=(B, E)]
        Paired embeddings, compared by cosine. ``B >= 2``.
    temperature : tensor or float
        Learnable: `MotionEvaluator.temperature`.
    texts, text_vectors, threshold
        As for `false_negatives`: equal or near-identical sentences are never negatives of each other.

    Returns
    -------
    loss : scalar tensor

    Raises
    ------
    ShapeError
        If the embeddings are not pairs.

    References
    ----------
    .. [1] A. van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018.
    .. [2] M. Petrovich et al., TMR, ICCV 2023, for the filtering of negatives.

    Examples
    --------
    >>> x = torch.eye(3)
    >>> float(contrastive_loss(x, x)) < 1e-3 < float(contrastive_loss(x, x.roll(1, 0)))
    True
    >>> round(float(contrastive_loss(x, x.roll(1, 0), texts=["같다"] * 3)), 6)
    0.0
    """
    _check_pairs(motion, text)
    logits = F.normalize(text, dim=-1) @ F.normalize(motion, dim=-1).T / temperature
    skip = false_negatives(texts, text_vectors, threshold=threshold, size=len(text)).to(logits.device)
    logits = logits.masked_fill(skip, -torch.inf)
    target = torch.arange(len(text), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def margin_loss(
    motion: torch.Tensor,
    text: torch.Tensor,
    *,
    margin: float = 10.0,
    texts: Sequence[str] | None = None,
    text_vectors: torch.Tensor | None = None,
    threshold: float = 0.9,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """The original evaluator's loss: true pairs at distance 0, mismatched ones beyond a margin.

    Parameters
    ----------
    motion, text : tensor [shape=(B, E)]
        Paired embeddings, ``B >= 2``; not of unit length (``EvaluatorConfig(normalize=False)``),
        or the margin must be below 2.
    margin : float
    texts, text_vectors, threshold
        As for `false_negatives`; such mismatches cost nothing.
    generator : torch.Generator, optional
        Draws how far the batch is shifted to make mismatches.

    Returns
    -------
    loss : scalar tensor
        Mean squared distance of true pairs, plus the mean squared shortfall of mismatched ones.

    Raises
    ------
    ShapeError
        If the embeddings are not pairs.

    References
    ----------
    .. [1] C. Guo et al., Generating Diverse and Natural 3D Human Motions from Text, CVPR 2022.

    Examples
    --------
    >>> x = 100 * torch.eye(3)
    >>> float(margin_loss(x, x)), float(margin_loss(x, x.roll(1, 0))) > 1000
    (0.0, True)
    """
    _check_pairs(motion, text)
    count = len(text)
    shift = int(torch.randint(1, count, (1,), generator=generator))
    other = (torch.arange(count, device=motion.device) + shift) % count
    shortfall = (margin - (text - motion[other]).square().sum(-1).add(1e-12).sqrt()).clamp(min=0).square()
    skip = false_negatives(texts, text_vectors, threshold=threshold, size=count).to(motion.device)
    keep = ~skip[torch.arange(count, device=motion.device), other]
    return (text - motion).square().sum(-1).mean() + (shortfall * keep).sum() / keep.sum().clamp(min=1)


def timed_contrastive_loss(
    motion: torch.Tensor, words: torch.Tensor, mask: torch.Tensor, *, shifts: Sequence[int], clips: Sequence[str] = ()
) -> torch.Tensor:
    """InfoNCE of windows: a motion goes with its own words, neither with another's nor with its own at another time.

    Parameters
    ----------
    motion, words : tensor [shape=(B, S, E)]
        Paired embeddings of each step; the evidence for a pair is their dot product, divided by ``E`` and added up
        over steps.
    mask : bool tensor [shape=(B, S)]
        The steps that are there; the first ones of each window.
    shifts : sequence of int
        Steps, without 0, by which the own words are moved to make strangers of them.
    clips : sequence of str, optional
        Where each window is from; windows of one clip, which may overlap, are never strangers to each other.

    Returns
    -------
    loss : scalar tensor

    Raises
    ------
    ShapeError
        If the embeddings are not pairs.

    Notes
    -----
    Moved words overlap the motion in fewer steps, for which the evidence is scaled up; words that do not overlap
    it at all are left out.

    Examples
    --------
    >>> x, there = 9 * torch.eye(4)[None], torch.ones(1, 4, dtype=torch.bool)
    >>> own, late = (timed_contrastive_loss(x, y, there, shifts=[-1, 1]) for y in (x, x.roll(1, 1)))
    >>> float(own) < 1e-3 < float(late)
    True
    """
    if motion.shape != words.shape or motion.ndim != 3 or mask.shape != motion.shape[:2]:
        raise ShapeError(
            "Windows of motion and of words must come in pairs.",
            expected="(B, S, E), (B, S, E) and a mask (B, S)",
            found=f"{tuple(motion.shape)}, {tuple(words.shape)} and {tuple(mask.shape)}",
        )
    there = mask.to(motion)
    motion, words = motion * there[..., None], words * there[..., None]
    lengths, moves = there.sum(1, keepdim=True), [move for move in (0, *shifts) if abs(move) < motion.shape[1]]

    def moved(table: torch.Tensor) -> torch.Tensor:
        return torch.stack([table.diagonal(move, 1, 2).sum(-1) for move in moves], 1)

    def scaled(evidence: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        found = evidence * lengths / steps.clamp_min(1) / motion.shape[2]
        return found.masked_fill(steps == 0, -torch.inf)

    own = scaled(moved(motion @ words.mT), moved(there[:, :, None] * there[:, None, :]))
    others = scaled(torch.einsum("ite,jte->ij", motion, words), there @ there.T)
    known = false_negatives(clips or None, size=len(motion)).to(motion.device)
    known |= torch.eye(len(motion), dtype=torch.bool, device=motion.device)  # which stands among the own ones
    others = others.masked_fill(known, -torch.inf)
    target = torch.zeros(len(motion), dtype=torch.int64, device=motion.device)
    losses = [F.cross_entropy(torch.cat((own, table), 1), target) for table in (others, others.T)]
    return torch.stack(losses).mean()
