"""From an utterance to motion: the transformer, sampling, and the pipeline of both with a tokenizer.

`MotionTransformer` scores the next motion token, `generate` and `stream` write
tokens with it (on a CPU faster after `quantize`), `UtteranceToMotion` goes from
Korean text to a `Motion`, and `load_t2m_gpt_transformer` reads published checkpoints.
"""

from .convert import load_t2m_gpt_transformer, to_t2m_gpt_state_dict
from .losses import TransformerLoss, corrupt_tokens, transformer_loss
from .pipeline import UtteranceToMotion
from .placing import place_after
from .quantized import quantize
from .sampling import generate, stream
from .talk import read_talk
from .transformer import KeyValueCache, MotionTransformer, TransformerConfig

__all__ = [
    "KeyValueCache",
    "MotionTransformer",
    "TransformerConfig",
    "TransformerLoss",
    "UtteranceToMotion",
    "corrupt_tokens",
    "generate",
    "load_t2m_gpt_transformer",
    "place_after",
    "quantize",
    "read_talk",
    "stream",
    "to_t2m_gpt_state_dict",
    "transformer_loss",
]
