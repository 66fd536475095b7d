"""Motion tokenizers: motion vectors to tokens and back.

`MotionTokenizer` is a convolutional VQ-VAE, compatible with T2M-GPT's, with
seven quantizers. Its checkpoints hold everything it needs: settings, weights,
and the mean and deviation of the features.
"""

from ._autoencoder import Decoder, Encoder
from ._codebooks import Quantizer, QuantizerOutput, VectorQuantizer, codebook_use
from ._config import TokenizerConfig
from ._convert import load_t2m_gpt_tokenizer, to_t2m_gpt_state_dict
from ._export import FeaturesFromTokens, TokensFromFeatures
from ._losses import TokenizerLoss, tokenizer_loss
from ._registry import QUANTIZERS, make_quantizer, register_quantizer
from ._tokenizer import MotionTokenizer, TokenizerOutput

__all__ = [
    "QUANTIZERS",
    "Decoder",
    "Encoder",
    "FeaturesFromTokens",
    "MotionTokenizer",
    "Quantizer",
    "QuantizerOutput",
    "TokenizerConfig",
    "TokenizerLoss",
    "TokenizerOutput",
    "TokensFromFeatures",
    "VectorQuantizer",
    "codebook_use",
    "load_t2m_gpt_tokenizer",
    "make_quantizer",
    "register_quantizer",
    "to_t2m_gpt_state_dict",
    "tokenizer_loss",
]
