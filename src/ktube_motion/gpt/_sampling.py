"""Writing motion tokens: many texts at once, one cache, one random stream per sample."""

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from ..arrays import check_whole
from ..errors import ConfigError
from ..models import equal_lengths
from ._arguments import bounds, check_text, draw_seeds, read_prefixes, spoken_lengths
from ._hearing import Heard, check_words, heard_live, heard_together
from ._packing import packed_for
from ._transformer import MotionTransformer

__all__ = ["generate", "stream"]

_ENDLESS = 2**62  # tokens of a stream that its words will end
_NOISE_BLOCK = 32  # steps of noise drawn at once; fixed, so that no other option shifts a random stream


def generate(
    model: MotionTransformer,
    text_features: torch.Tensor | None,
    *,
    words: Sequence[torch.Tensor] | None = None,
    max_tokens: int = 50,
    min_tokens: int = 0,
    num_tokens: int | Sequence[int] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    guidance_scale: float = 1.0,
    prefix: torch.Tensor | Sequence[torch.Tensor] | None = None,
    generator: torch.Generator | None = None,
    seeds: Sequence[int] | None = None,
    batch_size: int = 64,
) -> list[torch.Tensor]:
    """Write motion tokens for text vectors.

    Parameters
    ----------
    model : MotionTransformer
    text_features : tensor [shape=(B, text_dim) or (B, text_tokens, text_dim)]
        Any number of texts; they run in batches of at most `batch_size`. None
        where `words` are all that is known.
    words : sequence of B tensors [shape=(N_i, word_dim)], optional
        What is said during each token, the prefix's first, as `text.word_track`
        gives it, for a model that hears words. Without `num_tokens`, a sample
        ends with its words. Rows behind its end are heard as far as the model
        looks ahead.
    max_tokens, min_tokens : int
        The end token stops a sample; it is forbidden before `min_tokens` and
        the sample is cut at `max_tokens`.
    num_tokens : int or sequence of int, optional
        Exact length, one for all or one per text; the end token is forbidden.
    temperature : float >= 0
        0 takes the likeliest token.
    top_k : int, optional
        Draw from the `top_k` likeliest tokens.
    top_p : float in (0, 1], optional
        Draw from the likeliest tokens that together reach this probability.
    guidance_scale : float >= 0
        Classifier-free guidance: 1 is off, more follows the text harder. Only
        for models trained with text dropout, whose empty text is a zero vector.
    prefix : tensor (P,) or (B, P), or sequence of B tensors (P_i,), optional
        Motion tokens that came before; the result goes on from them and does
        not repeat them.
    generator : torch.Generator, optional
        Gives each text its own seed, in order. A fresh one if absent, seeded
        from torch's global state.
    seeds : sequence of int, optional
        One seed per text instead: a text and its seed give the same tokens in
        any batch.
    batch_size : int

    Returns
    -------
    tokens : list of B int64 tensors [shape=(L_i,)]
        Motion codes without the end token, on the CPU. An end token in first
        place gives an empty tensor, and a warning.

    Raises
    ------
    ConfigError
        If options cannot work.
    ShapeError, DataError
        If text vectors or prefix do not fit the model.

    Warns
    -----
    UserWarning
        If a text got no motion at all.

    Notes
    -----
    Positions are absolute, so a sequence that fills the model's block is read
    afresh from its last tokens, half as many as fit, with the text before them;
    a longer prefix is cut to its last ``max_tokens`` of the config, all the
    model can see. Each text draws from its own random stream (Gumbel noise), so its
    tokens depend on its batch only through rounding.

    Examples
    --------
    >>> from ktube_motion.gpt import MotionTransformer, TransformerConfig
    >>> model = MotionTransformer(TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4))
    >>> [len(t) for t in generate(model, torch.zeros(3, 8), num_tokens=[5, 0, 70])]
    [5, 0, 70]
    """
    options = _Options(temperature, top_k, top_p, guidance_scale)
    text_features = check_text(model, text_features, 0 if words is None else len(words))
    words = check_words(model, words, len(text_features))
    prefixes = read_prefixes(model, prefix, len(text_features))
    num_tokens = spoken_lengths(model, words, prefixes, num_tokens)
    least, most = bounds(num_tokens, min_tokens, max_tokens, len(text_features))
    seen = [tokens[-model.config.max_tokens :] for tokens in prefixes]  # all that the model can see
    seeds = draw_seeds(seeds, generator, len(text_features))
    check_whole(batch_size, name="batch_size", least=1)
    written: list[list[int]] = [[] for _ in seeds]
    model = packed_for(model, min(batch_size, len(seeds)), int(most.max()) if len(most) else 0)
    for rows in equal_lengths([len(tokens) for tokens in seen], batch_size):
        heard = None
        if words is not None:
            heard = heard_together(model, [words[row][len(prefixes[row]) - len(seen[row]) :] for row in rows])
        steps = _write(
            model,
            text_features[rows],
            torch.stack([seen[row] for row in rows]),
            least[rows],
            most[rows],
            [seeds[row] for row in rows],
            options,
            heard,
        )
        for places, tokens in steps:
            for place, token in zip(places, tokens, strict=True):
                written[rows[place]].append(token)
    empty = [row for row, tokens in enumerate(written) if not tokens and most[row] > 0]
    if empty:
        warnings.warn(f"{len(empty)} of {len(written)} texts got no motion, the end came first: {empty}", stacklevel=2)
    return [torch.tensor(tokens, dtype=torch.int64) for tokens in written]


def stream(
    model: MotionTransformer,
    text_features: torch.Tensor | None,
    *,
    words: Iterable[torch.Tensor] | None = None,
    max_tokens: int = 50,
    min_tokens: int = 0,
    num_tokens: int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    guidance_scale: float = 1.0,
    prefix: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
    seed: int | None = None,
) -> Iterator[int]:
    """Write the tokens of one text one by one, as they come.

    Parameters
    ----------
    model : MotionTransformer
    text_features : tensor [shape=(text_dim,) or (text_tokens, text_dim)], or None
    words : iterable of tensors [shape=(word_dim,)], optional
        Rows as for `generate`, the prefix's first, one after the other as they
        come. A token is written as soon as the rows that it hears are there,
        ``word_ahead`` of the config behind its own or the end, and the stream
        ends with the rows. Nothing but the model's block is kept in memory.
    seed : int, optional
        Instead of `generator`; the tokens are those of ``generate(..., seeds=[seed])``.
    max_tokens, min_tokens, num_tokens, temperature, top_k, top_p, guidance_scale, prefix, generator
        As for `generate`.

    Yields
    ------
    token : int

    Raises
    ------
    ConfigError, ShapeError, DataError
        As for `generate`, when called, not at the first token.

    Examples
    --------
    >>> from ktube_motion.gpt import MotionTransformer, TransformerConfig
    >>> model = MotionTransformer(TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4))
    >>> len(list(stream(model, torch.zeros(8), num_tokens=3)))
    3
    """
    options = _Options(temperature, top_k, top_p, guidance_scale)
    text_features = check_text(model, None if text_features is None else torch.as_tensor(text_features)[None], 1)
    (before,) = read_prefixes(model, prefix, 1)
    seen, heard = before[-model.config.max_tokens :], None
    if words is not None:
        heard = heard_live(model, islice(words, len(before) - len(seen), None))
        num_tokens = _ENDLESS if num_tokens is None else num_tokens
    lengths = spoken_lengths(model, None, [before], num_tokens)
    least, most = bounds(lengths, min_tokens, max_tokens, 1)
    seeds = draw_seeds(None if seed is None else [seed], generator, 1)
    steps = _write(model, text_features, seen[None], least, most, seeds, options, heard)
    return (tokens[0] for _, tokens in steps)


@dataclass(frozen=True)
class _Options:
    temperature: float
    top_k: int | None
    top_p: float | None
    guidance_scale: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError("temperature must be zero or positive.", found=self.temperature)
        if self.top_k is not None:
            check_whole(self.top_k, name="top_k", least=1)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError("top_p must lie in (0, 1].", found=self.top_p)
        if not (math.isfinite(self.guidance_scale) and self.guidance_scale >= 0):
            raise ConfigError("guidance_scale must be zero or positive.", found=self.guidance_scale)

    def choose(self, logits: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        """Pick one token per row of ``(B, V)``."""
        if self.temperature == 0:
            return logits.argmax(-1)
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p is not None and self.top_p < 1:
            ordered, order = logits.softmax(-1).sort(descending=True)
            # A token stays while those before it have not yet reached top_p: so the first always does.
            beyond = ordered.cumsum(-1) - ordered >= self.top_p
            logits = logits.masked_fill(beyond.gather(-1, order.argsort(-1)), -torch.inf)
        return (logits if noise is None else logits + noise).argmax(-1)


class _Noise:
    """Gumbel noise from one generator per sample."""

    def __init__(self, seeds: Sequence[int], size: int, device: torch.device) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.size, self.device, self.step = size, device, 0

    def next(self) -> torch.Tensor:
        place = self.step % _NOISE_BLOCK
        if place == 0:
            shape = (_NOISE_BLOCK, self.size)
            drawn = [torch.empty(shape).exponential_(generator=generator) for generator in self.generators]
            self.block = -torch.stack(drawn).clamp_(min=1e-30).log_().to(self.device)
        self.step += 1
        return self.block[:, place]

    def keep(self, rows: torch.Tensor) -> None:
        self.generators = [self.generators[row] for row in rows.tolist()]
        self.block = self.block[rows]


class _Context:
    """What the model has read: the text, the last tokens and their words, sliding on when the block is full."""

    def __init__(
        self,
        model: MotionTransformer,
        text_features: torch.Tensor,
        prefix: torch.Tensor,
        guidance_scale: float,
        heard: Heard | None,
    ) -> None:
        self.model, self.scale, self.heard = model, guidance_scale, heard
        self.first = 0  # the place of the first of the tokens, the prefix counted
        self.guided = guidance_scale != 1
        self.text = torch.cat((text_features, torch.zeros_like(text_features))) if self.guided else text_features
        self.tokens = torch.cat((prefix, prefix)) if self.guided else prefix
        self.logits = self._read_afresh()

    def _read_afresh(self) -> torch.Tensor:
        count = self.tokens.shape[1]
        logits, self.cache = self.model.start(self.tokens, self.text, *self._words(self.first, self.first + count + 1))
        # Memory for the tokens to come, laid out once like the cache.
        room = self.tokens.new_empty(len(self.tokens), self.model.config.block_size)
        room[:, :count] = self.tokens
        self.tokens = room
        return self._guide(logits)

    def _words(self, first: int, stop: int) -> tuple[torch.Tensor, ...]:
        if self.heard is None:
            return ()
        rows = self.heard.around(first, stop)
        return (torch.cat((rows, torch.zeros_like(rows))) if self.guided else rows,)

    def _guide(self, logits: torch.Tensor) -> torch.Tensor:
        if not self.guided:
            return logits
        with_text, without = logits.chunk(2)
        return without + self.scale * (with_text - without)

    def append(self, tokens: torch.Tensor) -> None:
        tokens = torch.cat((tokens, tokens)) if self.guided else tokens
        config = self.model.config
        filled = self.cache.length - config.text_tokens
        self.tokens[:, filled] = tokens
        if self.cache.length < config.block_size:
            place = self.first + filled + 1
            self.logits = self._guide(self.model.step(tokens, self.cache, *self._words(place, place + 1)))
        else:
            gone = filled + 1 - (config.max_tokens + 1) // 2
            self.tokens, self.first = self.tokens[:, gone : filled + 1], self.first + gone
            self.logits = self._read_afresh()

    def keep(self, rows: torch.Tensor) -> None:
        self.logits = self.logits[rows]
        if self.heard is not None:
            self.heard.keep(rows)
        if self.guided:
            rows = torch.cat((rows, rows + len(self.text) // 2))
        self.text, self.tokens = self.text[rows], self.tokens[rows]
        self.cache.keep(rows)


def _write(
    model: MotionTransformer,
    text_features: torch.Tensor,
    prefix: torch.Tensor,
    least: torch.Tensor,
    most: torch.Tensor,
    seeds: Sequence[int],
    options: _Options,
    heard: Heard | None = None,
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (places in the batch, their tokens) step by step, until every sample has ended."""
    device = model.head.weight.device
    end = model.config.end_token
    places = torch.arange(len(seeds))
    wanted = most > 0
    before = prefix.shape[1]
    if not wanted.any() or (heard is not None and heard.live and not heard.has(before)):
        return
    with torch.inference_mode():
        context = _Context(model, text_features.to(device), prefix.to(device), options.guidance_scale, heard)
        noise = _Noise(seeds, end + 1, device) if options.temperature else None
    step = 0
    while True:
        # Inference mode must not leak to the caller between two tokens.
        with torch.inference_mode():
            logits = context.logits.clone()
            logits[(step < least[places]).to(device), end] = -torch.inf
            chosen = options.choose(logits, noise.next() if noise else None)
            tokens = chosen.cpu()
            wanted = wanted & (tokens != end)
        if wanted.any():
            yield places[wanted].tolist(), tokens[wanted].tolist()
        step += 1
        wanted = wanted & (step < most[places])
        if heard is not None and heard.live and not heard.has(before + step):
            return
        if not wanted.any():
            return
        with torch.inference_mode():
            if 2 * int(wanted.sum()) <= len(wanted):  # half the batch has ended: go on with the rest only
                rows = wanted.nonzero()[:, 0]
                places, wanted = places[rows], wanted[rows]
                chosen = chosen[rows.to(device)]
                context.keep(rows.to(device))
                if noise:
                    noise.keep(rows)
            # A sample that has ended is read on until the batch shrinks; its code must be a motion's.
            context.append(chosen.clamp(max=end - 1))
