"""MotionTransformer: from the text and the motion tokens so far to the next token."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import ConfigError, DataError, ShapeError
from ..models import HubModel, sinusoids
from ..text import NUM_TIMES

__all__ = ["KeyValueCache", "MotionTransformer", "TransformerConfig"]


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a `MotionTransformer`, and what it was trained with.

    Attributes
    ----------
    num_codes : int
        Motion codes of the tokenizer. Token ``num_codes`` means end, ``num_codes + 1`` is padding.
    width : int
        Channels of a block; a multiple of `num_heads`.
    text_dim : int
        Size of a text vector.
    text_tokens : int
        Vectors a text comes in: 1 for the sentence as a whole, more for `text.SequenceTextEncoder`.
    text_layers : int
        Blocks that read all vectors of the text, in both directions, before the motion; 0 for none.
    block_size : int
        Longest sequence, the text included: 51 is one text vector and 50 motion tokens.
    num_layers : int
        As T2M-GPT counts them: its base and its head have this many blocks each, so 9 means 18 blocks.
    num_heads : int
        Attention heads.
    ff_rate : int
        Hidden width of the feed-forward part, in widths.
    dropout : float
        Dropout in training.
    text_encoder : str
        ``identity`` of the text encoder it was trained with; empty when not recorded.
    tokenizer : str
        ``fingerprint`` of the tokenizer whose codes it writes; empty when not recorded.
    frames_per_token : int
        Frames that one token stands for.
    word_dim : int
        Size of a row of `text.word_track`, for a model that hears the words in time; 0 for T2M-GPT's, which does not.
    word_past, word_ahead : int
        Rows before and after a token that it hears. A gesture begins before its word: 6 tokens ahead are 1.2 s.
    word_encoder : str
        ``identity`` of the word encoder it was trained with; empty when not recorded.
    word_kinds : int
        Kinds of gestures, none among them, as which a word is heard: what a word calls for is then learned from
        words alone, before what is around them, so that it holds in sentences that no training had. 0 to hear the
        vectors of the words themselves.
    gestures : tuple of str
        What the kinds behind none are called, where labels told it.

    Raises
    ------
    ConfigError
        If the sizes cannot work together.

    Examples
    --------
    >>> TransformerConfig(num_codes=128, width=1536, text_dim=768).end_token
    128
    """

    num_codes: int = 512
    width: int = 1024
    text_dim: int = 512
    text_tokens: int = 1
    text_layers: int = 0
    block_size: int = 51
    num_layers: int = 9
    num_heads: int = 16
    ff_rate: int = 4
    dropout: float = 0.1
    text_encoder: str = ""
    tokenizer: str = ""
    frames_per_token: int = 4
    word_dim: int = 0
    word_past: int = 5
    word_ahead: int = 6
    word_encoder: str = ""
    word_kinds: int = 0
    gestures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _SIZES:
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(f"{name} must be a positive whole number.", found=repr(getattr(self, name)))
        for name in ("text_layers", "word_dim", "word_past", "word_ahead", "word_kinds"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise ConfigError(f"{name} must be a whole number, not negative.", found=repr(getattr(self, name)))
        if self.word_kinds and (self.word_kinds < 2 or 0 < self.word_dim <= NUM_TIMES):
            raise ConfigError(
                "word_kinds needs two kinds, and words with vectors.",
                expected=f"word_kinds >= 2, word_dim > {NUM_TIMES}",
                found=f"word_kinds {self.word_kinds}, word_dim {self.word_dim}",
            )
        if not all(isinstance(name, str) and name for name in self.gestures):
            raise ConfigError("Names of gestures are text.", found=list(self.gestures))
        if self.gestures and len(set(self.gestures)) != self.word_kinds - 1:
            raise ConfigError(
                "Every kind of gesture needs a name of its own, or none has one.",
                expected=f"{self.word_kinds - 1} names", found=list(self.gestures),
            )  # fmt: skip
        least = self.text_tokens + 1
        if not isinstance(self.block_size, int) or self.block_size < least:
            raise ConfigError(
                "block_size must hold the text and a token.", expected=f">= {least}", found=self.block_size
            )
        if self.width % self.num_heads:
            raise ConfigError("width must be a multiple of num_heads.", found=f"{self.width} and {self.num_heads}")
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must lie in [0, 1).", found=self.dropout)

    @property
    def end_token(self) -> int:
        """The token that ends a motion."""
        return self.num_codes

    @property
    def pad_token(self) -> int:
        """The token that fills a batch behind the end."""
        return self.num_codes + 1

    @property
    def max_tokens(self) -> int:
        """Motion tokens that fit beside the text."""
        return self.block_size - self.text_tokens

    @property
    def hears(self) -> int:
        """Rows of the words that one token hears: its own, and those around it."""
        return self.word_past + 1 + self.word_ahead

    @property
    def text_shape(self) -> tuple[int, ...]:
        """Shape of one text's vectors: ``(text_dim,)``, or ``(text_tokens, text_dim)`` when there are several."""
        return (self.text_dim,) if self.text_tokens == 1 else (self.text_tokens, self.text_dim)


_SIZES = ("num_codes", "width", "text_dim", "text_tokens", "num_layers", "num_heads", "ff_rate", "frames_per_token")


class KeyValueCache:
    """Keys and values of the positions read so far, in memory laid out once.

    Parameters
    ----------
    model : MotionTransformer
    batch : int
        Number of sequences; all have the same length.

    Attributes
    ----------
    keys, values : tensor [shape=(blocks, batch, heads, block_size, width / heads)]
    length : int
        Positions filled.

    Examples
    --------
    >>> model = MotionTransformer(TransformerConfig(num_codes=8, width=32, num_layers=1, num_heads=4, block_size=11))
    >>> cache = KeyValueCache(model.eval(), batch=2)
    >>> cache.keys.shape, cache.length
    (torch.Size([2, 2, 4, 11, 8]), 0)
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, model: "MotionTransformer", batch: int) -> None:
        config, like = model.config, model.head.weight
        head_size = config.width // config.num_heads
        shape = (len(model.blocks), batch, config.num_heads, config.block_size, head_size)
        self.keys, self.values = like.new_empty(shape), like.new_empty(shape)
        self.length = 0

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these sequences of the batch only."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]

    def extend(self, block: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new positions of one block; give all its keys and values."""
        stop = self.length + keys.shape[2]
        self.keys[block, :, :, self.length : stop] = keys
        self.values[block, :, :, self.length : stop] = values
        return self.keys[block, :, :, :stop], self.values[block, :, :, :stop]


class Block(nn.Module):
    """Pre-norm transformer block: attention, then a feed-forward part.

    The attention is causal, unless a mask ``(B, 1, 1, L)`` tells which positions all others may look at.
    """

    index: int
    num_heads: int
    dropout: float
    norm1: nn.LayerNorm
    qkv: nn.Linear
    out: nn.Linear
    norm2: nn.LayerNorm
    expand: nn.Linear
    contract: nn.Linear

    def __init__(self, config: TransformerConfig, index: int) -> None:
        super().__init__()
        self.index, self.num_heads, self.dropout = index, config.num_heads, config.dropout
        self.norm1 = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, config.ff_rate * config.width)
        self.contract = nn.Linear(config.ff_rate * config.width, config.width)

    def forward(
        self, x: torch.Tensor, cache: KeyValueCache | None = None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        batch, length, width = x.shape
        # Reading with a cache is never training, whatever mode the module is in.
        dropout = self.dropout if self.training and cache is None else 0.0
        query, key, value = self.qkv(self.norm1(x)).view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            key, value = cache.extend(self.index, key, value)
        causal = mask is None and length > 1
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal, dropout_p=dropout)
        y = self.out(y.transpose(1, 2).reshape(batch, length, width))
        x = x + (F.dropout(y, dropout) if dropout else y)
        y = self.contract(F.gelu(self.expand(self.norm2(x))))
        return x + (F.dropout(y, dropout) if dropout else y)


class WordKinds(nn.Module):
    """Which kind of gesture a word calls for by itself, the first kind being none: a network with one hidden layer."""

    hidden: nn.Linear
    out: nn.Linear

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(config.word_dim - NUM_TIMES, config.width)
        self.out = nn.Linear(config.width, config.word_kinds)

    def forward(self, vectors: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        """Score the kinds ``(..., word_kinds)`` of the vectors of words ``(..., D)``; zeros stand for silence."""
        # A token that a word fills by half has half its vector, and calls for the same.
        vectors = F.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5
        hidden = F.gelu(self.hidden(vectors))
        return self.out(F.dropout(hidden, dropout) if dropout else hidden)


class WordReader(nn.Module):
    """What is said around each token, as one vector to add to its input: a small network over time."""

    kinds: WordKinds | None
    words: nn.Linear
    around: nn.Conv1d
    out: nn.Linear

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        size = config.width // 3
        self.kinds = WordKinds(config) if config.word_kinds else None
        self.words = nn.Linear(config.word_kinds + NUM_TIMES if config.word_kinds else config.word_dim, size)
        self.around = nn.Conv1d(size, config.width, config.hears)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, track: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        """Read rows ``(B, word_past + N + word_ahead, word_dim)``; give ``(B, N, width)``."""
        if self.kinds is not None:
            vectors, times = track.tensor_split([-NUM_TIMES], -1)
            # As large as the vectors were, else it takes long until what is heard counts.
            shares = self.kinds(vectors, dropout).softmax(-1) * vectors.shape[-1] ** 0.5
            track = torch.cat((shares, times), -1)
        rows = self.words(track)
        rows = F.dropout(rows, dropout) if dropout else rows
        return self.out(F.gelu(self.around(rows.mT).mT))


class MotionTransformer(HubModel, tags=["motion-generation"]):
    """Autoregressive transformer over motion tokens, conditioned on a text.

    The text takes the first position, or the first ``text_tokens``; the output
    at the last of them is about motion token 0. The design, and the checkpoints it can read
    (`load_t2m_gpt_transformer`), are T2M-GPT's [1]_; its base and head are one
    stack of ``2 * num_layers`` blocks here, and query, key and value one
    matrix.

    Parameters
    ----------
    config : TransformerConfig

    References
    ----------
    .. [1] J. Zhang et al., T2M-GPT: Generating human motion from textual
       descriptions with discrete representations, CVPR 2023.

    Examples
    --------
    >>> model = MotionTransformer(TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4))
    >>> model(torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, 8)).shape
    torch.Size([2, 6, 17])
    """

    kind = "motion_transformer"
    config_type = TransformerConfig
    config: TransformerConfig
    positions: torch.Tensor
    tokens: nn.Embedding
    text: nn.Linear
    text_blocks: nn.ModuleList
    blocks: nn.ModuleList
    norm: nn.LayerNorm
    head: nn.Linear

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.num_codes + 2, config.width)
        self.text = nn.Linear(config.text_dim, config.width)
        self.text_blocks = nn.ModuleList(Block(config, index) for index in range(config.text_layers))
        self.blocks = nn.ModuleList(Block(config, index) for index in range(2 * config.num_layers))
        self.hearing: WordReader | None = WordReader(config) if config.word_dim else None
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.num_codes + 1, bias=False)
        self.register_buffer("positions", sinusoids(config.block_size, config.width), persistent=False)
        self.apply(self._init)

    @staticmethod
    def _init(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(
        self, tokens: torch.Tensor, text_features: torch.Tensor, words: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Score the next token at every position.

        Parameters
        ----------
        tokens : int64 tensor [shape=(B, L)]
            Motion tokens, ``0 <= L < block_size``; end and pad tokens may occur.
        text_features : tensor [shape=(B, text_dim) or (B, text_tokens, text_dim)]
            Rows of zeros behind a text's last vector are empty.
        words : tensor [shape=(B, word_past + L + 1 + word_ahead, word_dim)], optional
            What is said around each token to be scored, as `text.word_track` gives it, for a model
            that hears words; row ``word_past + i`` is about token ``i``. Zeros, or none: it is not known.

        Returns
        -------
        logits : tensor [shape=(B, L + 1, num_codes + 1)]
            ``logits[:, i]`` is about token ``i``, given the text and the tokens before it.

        Raises
        ------
        ShapeError
            If the shapes do not fit each other or the model.
        DataError
            If a token is outside the vocabulary.
        """
        self.check(tokens, text_features, words)
        dropout = self.config.dropout if self.training else 0.0
        x = self.embed(tokens, text_features, words, dropout=dropout)
        x = F.dropout(x, dropout) if dropout else x
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, self.config.text_tokens - 1 :]))

    def embed(
        self,
        tokens: torch.Tensor,
        text_features: torch.Tensor,
        words: torch.Tensor | None = None,
        *,
        dropout: float = 0.0,
    ) -> torch.Tensor:
        """Put the text before the embedded tokens, add positions and words: ``(B, text_tokens + L, width)``."""
        weight, count = self.head.weight, self.config.text_tokens
        text_features = text_features.to(weight.device, weight.dtype).view(-1, count, self.config.text_dim)
        text = self.text(text_features) + self.positions[:count]
        if self.config.text_layers:
            filled = text_features.any(-1)
            filled[:, 0] = True  # an empty text, as guidance needs it, still has one position to look at
            for block in self.text_blocks:
                text = block(text, mask=filled[:, None, None])
        motion = self.tokens(tokens.to(weight.device)) + self.positions[count : count + tokens.shape[1]]
        x = torch.cat((text, motion), 1)
        if self.hearing is not None:
            if words is None:
                words = weight.new_zeros(len(x), self.config.hears + tokens.shape[1], self.config.word_dim)
            x[:, count - 1 :] += self.hearing(words.to(weight.device, weight.dtype), dropout)
        return x

    def start(
        self, tokens: torch.Tensor, text_features: torch.Tensor, words: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, KeyValueCache]:
        """Read text, tokens and words at once; give the next token's logits ``(B, V)`` in float32, and the cache."""
        self.check(tokens, text_features, words)
        cache = KeyValueCache(self, len(tokens))
        return self._read(self.embed(tokens, text_features, words), cache), cache

    def step(self, tokens: torch.Tensor, cache: KeyValueCache, words: torch.Tensor | None = None) -> torch.Tensor:
        """Read one more token ``(B,)`` of each sequence; give the next logits ``(B, V)`` in float32.

        `words` are the rows ``(B, hears, word_dim)`` around the token that the logits are about.
        """
        x = (self.tokens(tokens) + self.positions[cache.length])[:, None]
        if self.hearing is not None:
            if words is None:
                words = x.new_zeros(len(x), self.config.hears, self.config.word_dim)
            x = x + self.hearing(words.to(x))
        return self._read(x, cache)

    def _read(self, x: torch.Tensor, cache: KeyValueCache) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, cache)
        cache.length += x.shape[1]
        return self.head(self.norm(x[:, -1])).float()

    def check(self, tokens: torch.Tensor, text_features: torch.Tensor, words: torch.Tensor | None = None) -> None:
        """Raise unless tokens ``(B, L)``, text vectors ``(B, *text_shape)`` and words fit this model."""
        config = self.config
        self.check_text(text_features)
        if tokens.ndim != 2 or tokens.shape[1] > config.max_tokens:
            raise ShapeError(
                "Tokens do not fit the model.", expected=f"(B, L <= {config.max_tokens})", found=tuple(tokens.shape)
            )
        if tokens.is_floating_point():
            raise DataError("Tokens must be whole numbers.", expected="int64", found=tokens.dtype)
        if len(text_features) != len(tokens):
            raise ShapeError("Texts and tokens differ in number.", expected=len(tokens), found=len(text_features))
        wanted = (len(tokens), config.hears + tokens.shape[1], config.word_dim)
        if words is not None and (not config.word_dim or tuple(words.shape) != wanted):
            raise ShapeError(
                "Words do not fit the model.",
                expected=wanted if config.word_dim else "none: this model hears no words",
                found=tuple(words.shape),
            )
        # On a GPU this look would make every step wait for the device.
        if (
            tokens.device.type == "cpu"
            and tokens.numel()
            and not 0 <= int(tokens.min()) <= int(tokens.max()) <= config.pad_token
        ):
            raise DataError(
                "A token is outside the vocabulary.",
                expected=f"0 to {config.pad_token}",
                found=f"{int(tokens.min())} to {int(tokens.max())}",
                fix="Were these tokens made by another tokenizer?",
            )

    def check_text(self, text_features: torch.Tensor) -> None:
        """Raise `ShapeError` unless text vectors ``(B, *text_shape)`` fit this model."""
        if text_features.ndim < 2 or tuple(text_features.shape[1:]) != self.config.text_shape:
            raise ShapeError(
                "Text vectors do not fit the model.",
                expected=f"(B, {', '.join(map(str, self.config.text_shape))})",
                found=tuple(text_features.shape),
                fix=f"It was trained with the text encoder {self.config.text_encoder or '(not recorded)'!r}.",
            )

    def _receive(self, state: Mapping[str, torch.Tensor]) -> None:
        if "head.weight" in state:
            self.to(state["head.weight"].dtype)  # a model saved in half precision comes back in it
