"""From text to motion tokens: the transformer and sampling. Joints are not known here.

`MotionTransformer` scores the next motion token, `generate` and `stream` write
tokens with it (on a CPU faster after `quantize`), and `load_t2m_gpt_transformer`
reads published checkpoints.
"""

from ._convert import load_t2m_gpt_transformer, to_t2m_gpt_state_dict
from ._losses import TransformerLoss, corrupt_tokens, transformer_loss
from ._quantized import quantize
from ._sampling import generate, stream
from ._transformer import KeyValueCache, MotionTransformer, TransformerConfig

__all__ = [
    "KeyValueCache",
    "MotionTransformer",
    "TransformerConfig",
    "TransformerLoss",
    "corrupt_tokens",
    "generate",
    "load_t2m_gpt_transformer",
    "quantize",
    "stream",
    "to_t2m_gpt_state_dict",
    "transformer_loss",
]
