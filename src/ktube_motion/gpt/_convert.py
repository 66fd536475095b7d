"""Checkpoints of T2M-GPT's transformer: read them, write them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..models import load_state, load_torch_file, sinusoids
from ._transformer import MotionTransformer, TransformerConfig

__all__ = ["load_t2m_gpt_transformer", "to_t2m_gpt_state_dict"]

# T2M-GPT's names on the left, ours on the right. {stack} is trans_base, then trans_head.
_OUTSIDE = {
    "trans_base.tok_emb.weight": "tokens.weight",
    "trans_base.cond_emb.weight": "text.weight",
    "trans_base.cond_emb.bias": "text.bias",
    "trans_head.ln_f.weight": "norm.weight",
    "trans_head.ln_f.bias": "norm.bias",
    "trans_head.head.weight": "head.weight",
}
_IN_BLOCK = {"ln1": "norm1", "attn.proj": "out", "ln2": "norm2", "mlp.0": "expand", "mlp.2": "contract"}
_JOINED = ("attn.query", "attn.key", "attn.value")  # one matrix in ours: qkv
_POSITIONS = "trans_base.pos_embed.embed"  # fixed sinusoids, which ours computes
_UNUSED = "trans_base.pos_embedding.weight"  # trained by nothing, read by nothing
_MASK = "attn.mask"


def _blocks(num_layers: int) -> Iterator[tuple[str, str]]:
    """Yield (T2M-GPT's prefix, our prefix) of each block."""
    for index in range(2 * num_layers):
        stack = "trans_base" if index < num_layers else "trans_head"
        yield f"{stack}.blocks.{index % num_layers}", f"blocks.{index}"


def _config(
    state: Mapping[str, torch.Tensor], path: str | Path, heads: int, hints: Mapping[str, Any]
) -> TransformerConfig:
    needed = ["trans_base.blocks.0.mlp.0.weight", _POSITIONS, *_OUTSIDE]
    missing = [name for name in needed if name not in state]
    if missing:
        raise CheckpointError("This is no T2M-GPT transformer.", where=path, found=f"no {', '.join(missing)}")
    rows, width = state["trans_base.tok_emb.weight"].shape
    block_size = len(state[_POSITIONS])
    positions = state[_POSITIONS].flatten(1)
    rounding = max(1e-4, torch.finfo(positions.dtype).eps)  # weights may have been saved in 16 bits
    if not torch.allclose(positions.float(), sinusoids(block_size, width), atol=rounding):
        raise CheckpointError("Its position vectors are not the fixed sinusoids.", where=path)
    return TransformerConfig(
        num_codes=rows - 2,
        width=width,
        text_dim=state["trans_base.cond_emb.weight"].shape[1],
        block_size=block_size,
        num_layers=len({name.split(".")[2] for name in state if name.startswith("trans_base.blocks.")}),
        num_heads=heads,
        ff_rate=len(state["trans_base.blocks.0.mlp.0.weight"]) // width,
        **hints,
    )


def load_t2m_gpt_transformer(path: str | Path, *, heads: int = 16, **hints: Any) -> MotionTransformer:
    """Load a transformer trained by T2M-GPT's code: ``{'trans': …}``, or as `models.load_torch_file` finds it.

    Sizes are read from the weights. What they do not show is given as a hint.

    Parameters
    ----------
    path : path
        For example ``net_best_fid.pth``.
    heads : int
        ``--n-head-gpt`` of the training; 16 in all published commands.
    **hints
        Other fields of `TransformerConfig`: ``dropout``, ``tokenizer``,
        ``frames_per_token``, and ``text_encoder``, the identity of the text
        encoder. Published T2M-GPT checkpoints were trained on CLIP ViT-B/32
        (`ktube_motion.text.ClipTextEncoder`): other vectors of the same size
        fit, and give nonsense.

    Returns
    -------
    model : MotionTransformer
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If the file is damaged, of another kind, or has missing or unknown weights.

    Examples
    --------
    >>> load_t2m_gpt_transformer("output/GPT/net_best_fid.pth")  # doctest: +SKIP
    """
    (state,) = load_torch_file(path, parts=["trans"])
    config = _config(state, path, heads, hints)
    result: dict[str, torch.Tensor] = {}
    try:
        result |= {ours: state.pop(theirs) for theirs, ours in _OUTSIDE.items()}
        for theirs, ours in _blocks(config.num_layers):
            for kind in ("weight", "bias"):
                result |= {f"{ours}.{b}.{kind}": state.pop(f"{theirs}.{a}.{kind}") for a, b in _IN_BLOCK.items()}
                result[f"{ours}.qkv.{kind}"] = torch.cat([state.pop(f"{theirs}.{part}.{kind}") for part in _JOINED])
    except KeyError as error:
        raise CheckpointError("A weight is missing.", where=path, found=error.args[0]) from error
    unknown = [name for name in state if name not in (_POSITIONS, _UNUSED) and not name.endswith(_MASK)]
    if unknown:
        raise CheckpointError("Some weights are unknown.", where=path, found=", ".join(unknown[:5]))
    model = MotionTransformer(config)
    load_state(model, result, where=path)
    return model.eval()


def to_t2m_gpt_state_dict(model: MotionTransformer) -> dict[str, dict[str, torch.Tensor]]:
    """Give a checkpoint that T2M-GPT's code loads, for ``torch.save``.

    Parameters
    ----------
    model : MotionTransformer

    Returns
    -------
    checkpoint : dict
        ``{'trans': state_dict}``; the unused position embedding is zeros.

    Raises
    ------
    CheckpointError
        If the model reads more than one vector of a text, or hears words in time, which T2M-GPT's cannot.

    Examples
    --------
    >>> model = MotionTransformer(TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4))
    >>> to_t2m_gpt_state_dict(model)["trans"]["trans_head.head.weight"].shape
    torch.Size([17, 32])
    """
    config = model.config
    if config.text_tokens > 1 or config.text_layers:
        raise CheckpointError(
            "T2M-GPT has no place for this model's text.",
            expected="text_tokens 1, text_layers 0",
            found=f"{config.text_tokens} and {config.text_layers}",
        )
    if config.word_dim:
        raise CheckpointError("T2M-GPT's transformer hears no words.", expected="word_dim 0", found=config.word_dim)
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    result = {theirs: state[ours] for theirs, ours in _OUTSIDE.items()}
    mask = torch.ones(1, 1, config.block_size, config.block_size).tril()
    for theirs, ours in _blocks(config.num_layers):
        for kind in ("weight", "bias"):
            result |= {f"{theirs}.{a}.{kind}": state[f"{ours}.{b}.{kind}"] for a, b in _IN_BLOCK.items()}
            parts = state[f"{ours}.qkv.{kind}"].chunk(3)
            result |= {f"{theirs}.{name}.{kind}": part.clone() for name, part in zip(_JOINED, parts, strict=True)}
        result[f"{theirs}.{_MASK}"] = mask.clone()
    result[_POSITIONS] = sinusoids(config.block_size, config.width)[:, None]
    result[_UNUSED] = torch.zeros(config.block_size, config.width)
    return {"trans": result}
