"""What is being said at each moment: words as vectors, laid on the grid of the motion tokens."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from ..errors import DataError
from ..types import Word
from ._encoders import TextEncoder, clean_texts
from ._words import tag_korean

__all__ = [
    "NUM_TIMES",
    "ContextWordEncoder",
    "FormWordEncoder",
    "WindowWordEncoder",
    "WordEncoder",
    "word_encoder",
    "word_track",
]

NUM_TIMES = 6  # numbers of a row that tell of time, behind the word's vector
# Vectors that are kept, those asked for last: a corpus says the same sentences again, a live talk may go on for days.
_KEPT, _KEPT_LIVE = 50_000, 2_000
_LONGEST = 2.0  # seconds; what began longer ago, or ends later, is told as this


@runtime_checkable
class WordEncoder(Protocol):
    """Anything that turns the words of an utterance into vectors, one each.

    Attributes
    ----------
    dim : int
        Size of the vectors.
    identity : str
        Names model and way of reading; checkpoints store it, as that of a `TextEncoder`.

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> words = word_encoder(EmbeddedTextEncoder())
    >>> words.encode_words(["왼쪽을", "보세요."]).shape == (2, words.dim)
    True
    """

    dim: int
    identity: str

    def encode_words(self, words: Sequence[str]) -> torch.Tensor:
        """Give float32 vectors ``(len(words), dim)``; each may look at the words before it, never at later ones."""


class _Reader:
    """Encodes each different string once, as long as it is not long ago."""

    def __init__(self, read: Callable[[list[str]], Iterable[torch.Tensor]], *, kept: int = _KEPT) -> None:
        self.read, self.kept = read, kept
        self.known: dict[str, torch.Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        new = list(dict.fromkeys(text for text in texts if text not in self.known))
        if new:
            # Copies: a row of a batch keeps all of it in memory.
            self.known.update((text, vector.clone()) for text, vector in zip(new, self.read(new), strict=True))
        for text in dict.fromkeys(texts):  # the dict is in the order of asking
            self.known[text] = self.known.pop(text)
        vectors = torch.stack([self.known[text] for text in texts])
        while len(self.known) > self.kept:
            del self.known[next(iter(self.known))]
        return vectors


class WindowWordEncoder:
    """Word vectors from an encoder of sentences: the word, its dictionary form, and the word with what led to it.

    Nothing that comes later is looked at, so words of live speech get the
    vectors that they had in training. Each different string is encoded once.

    Parameters
    ----------
    encoder : TextEncoder
        One vector a text.
    before : int
        Words before that are read together with the word.

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> encoder = WindowWordEncoder(EmbeddedTextEncoder())
    >>> encoder.encode_words(["왼쪽을", "보세요."]).shape
    torch.Size([2, 1536])
    """

    def __init__(self, encoder: TextEncoder, *, before: int = 1) -> None:
        self.encoder: TextEncoder
        self.before: int
        self.encoder, self.before = encoder, before
        self.dim: int
        self.identity: str
        self.dim, self.identity = 3 * encoder.dim, f"{encoder.identity}/windows/{before}"
        self._read = _Reader(encoder.encode)

    def encode_words(self, words: Sequence[str]) -> torch.Tensor:
        """Give vectors ``(len(words), 3 * encoder.dim)``."""
        words = clean_texts(words)
        if not words:
            return torch.zeros(0, self.dim)
        forms = [_dictionary_form(word) for word in words]
        vectors = self._read([*words, *forms, *_windows(words, self.before)])
        return torch.cat(vectors.chunk(3), -1)

    def vary(self, vectors: torch.Tensor, share: float, rng: np.random.Generator) -> torch.Tensor:
        """Give the vectors of words of which a share is said in its dictionary form, for training.

        Examples
        --------
        >>> from ktube_motion.text import EmbeddedTextEncoder
        >>> encoder = WindowWordEncoder(EmbeddedTextEncoder())
        >>> said, form = encoder.encode_words(["보세요."]), encoder.encode_words(["보다"])
        >>> torch.equal(encoder.vary(said, 1.0, np.random.default_rng(0)), form)
        True
        """
        form = vectors[:, self.encoder.dim : 2 * self.encoder.dim].repeat(1, 3)
        plainly = torch.from_numpy(rng.random(len(vectors)) < share)[:, None]
        return torch.where(plainly, form, vectors)


class FormWordEncoder:
    """Word vectors from an encoder of sentences: each word by itself, in its dictionary form.

    All endings and particles of a word give one vector, so a word is known in endings that no training saw; what
    they tell, and the words before, are not read. The model knows what was said before by the other rows of its track.

    Parameters
    ----------
    encoder : TextEncoder
        One vector a text.

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> encoder = FormWordEncoder(EmbeddedTextEncoder())
    >>> plain, polite = encoder.encode_words(["멈춰", "멈추십시오."])
    >>> plain.shape, bool(torch.equal(plain, polite))
    (torch.Size([512]), True)
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder: TextEncoder
        self.encoder = encoder
        self.dim: int
        self.identity: str
        self.dim, self.identity = encoder.dim, f"{encoder.identity}/forms"
        self._read = _Reader(encoder.encode)

    def encode_words(self, words: Sequence[str]) -> torch.Tensor:
        """Give vectors ``(len(words), encoder.dim)``."""
        words = clean_texts(words)
        return self._read([_dictionary_form(word) for word in words]) if words else torch.zeros(0, self.dim)


class ContextWordEncoder:
    """Word vectors from an encoder built on transformers: the states of the word after the words that led to it.

    Parameters
    ----------
    encoder : KeT5TextEncoder, HFTextEncoder or ClipTextEncoder
        Its tokenizer must know where tokens lie in the text.
    before : int
        Words before that are read; none that come later.

    Examples
    --------
    >>> from ktube_motion.text import KeT5TextEncoder
    >>> ContextWordEncoder(KeT5TextEncoder("checkpoints/ke-t5-base", pooler="none"))  # doctest: +SKIP
    """

    def __init__(self, encoder: Any, *, before: int = 8) -> None:
        self.encoder: Any
        self.before: int
        self.encoder, self.before = encoder, before
        self.dim: int
        self.identity: str
        self.dim, self.identity = encoder.state_dim, f"{encoder.identity}/states/{before}"
        self._read = _Reader(encoder.encode_last_words)

    def encode_words(self, words: Sequence[str]) -> torch.Tensor:
        """Give vectors ``(len(words), encoder.state_dim)``."""
        words = clean_texts(words)
        return self._read(_windows(words, self.before)) if words else torch.zeros(0, self.dim)


def word_encoder(encoder: TextEncoder, *, identity: str = "") -> WordEncoder:
    """Give the word encoder that gets most out of a text encoder: its states, or windows where it has none.

    Parameters
    ----------
    encoder : TextEncoder
    identity : str
        That of the word encoder which a model was trained with: it tells the dictionary's forms from windows, and how
        many words before are read.

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder, SequenceTextEncoder
    >>> word_encoder(SequenceTextEncoder(EmbeddedTextEncoder(), length=12)).identity
    'usem3/windows/1'
    """
    while hasattr(encoder, "encoder"):  # a cache, or one that reads the same in parts
        encoder = encoder.encoder
    if identity.endswith("/forms"):
        return FormWordEncoder(encoder)
    kind = ContextWordEncoder if hasattr(encoder, "encode_last_words") else WindowWordEncoder
    before = identity.rpartition("/")[2]
    return kind(encoder, before=int(before)) if before.isdecimal() else kind(encoder)


def live_word_encoder(encoder: WordEncoder) -> WordEncoder:
    """Give a word encoder of ours as one that keeps few vectors, for talks without an end; any other as it is."""
    if not isinstance(encoder, (WindowWordEncoder, FormWordEncoder, ContextWordEncoder)):
        return encoder
    live = copy(encoder)
    live._read = _Reader(encoder._read.read, kept=_KEPT_LIVE)
    return live


def _windows(words: Sequence[str], before: int) -> list[str]:
    return [" ".join(words[max(0, k - before) : k + 1]) for k in range(len(words))]


def _dictionary_form(word: str) -> str:
    """Give a word without particles and endings, as a dictionary lists it; itself where nothing is left."""
    return " ".join(form for form, kind in tag_korean(word) if kind not in ("ADP", "AUX")) or word


def word_track(
    words: Sequence[Word], vectors: torch.Tensor, *, num_tokens: int, tokens_per_second: float, start: int = 0
) -> torch.Tensor:
    """Lay words on the grid of motion tokens: what a `MotionTransformer` reads of the speech.

    Parameters
    ----------
    words : sequence of Word
        Times in seconds; need not be sorted, may overlap.
    vectors : tensor [shape=(len(words), dim)]
        From a `WordEncoder`.
    num_tokens : int
        Rows to give.
    tokens_per_second : float
    start : int
        The token of the first row; token 0 begins at second 0.

    Returns
    -------
    track : float32 tensor [shape=(num_tokens, dim + NUM_TIMES)]
        For each token the mean of the vectors of what is said during it,
        weighted by time, and: the share of it that is speech; whether a word
        begins in it, and where; the time since a word began and until it ends;
        the length of the pause; at last a 1, which tells that words are known.

    Raises
    ------
    DataError
        If a time is not finite, or a word ends before it starts.

    Notes
    -----
    A row tells nothing of words that begin after its token. Word vectors
    count with the root of their size, so that all columns are of like size.

    Examples
    --------
    >>> track = word_track([Word(0.1, 0.5, "네")], torch.ones(1, 4), num_tokens=4, tokens_per_second=5.0)
    >>> track[:, 0], track[:, 4]  # a half, a whole and a half of the tokens are speech
    (tensor([1., 2., 1., 0.]), tensor([0.5000, 1.0000, 0.5000, 0.0000]))
    """
    times = np.array([(word.start, word.end) for word in words], np.float64).reshape(-1, 2)
    if len(vectors) != len(words):
        raise DataError("Words and their vectors differ in number.", expected=len(words), found=len(vectors))
    if not np.isfinite(times).all() or (times[:, 1] < times[:, 0]).any():
        raise DataError("The times of words cannot be.", expected="start <= end, in seconds", found=times.tolist()[:5])
    # In tokens, from the first row on.
    begins, ends = (times * tokens_per_second - start).T
    rows = np.arange(num_tokens)[:, None]
    shares = np.clip(np.minimum(ends, rows + 1) - np.maximum(begins, rows), 0, None)
    weights = torch.from_numpy(shares.astype(np.float32)) * vectors.shape[1] ** 0.5
    track = torch.zeros(num_tokens, vectors.shape[1] + NUM_TIMES)
    track[:, :-NUM_TIMES] = weights @ vectors.float()
    track[:, -NUM_TIMES:] = torch.from_numpy(_times(begins, ends, shares, num_tokens, tokens_per_second))
    return track


def _times(
    begins: np.ndarray, ends: np.ndarray, shares: np.ndarray, num_tokens: int, tokens_per_second: float
) -> np.ndarray:
    """Give the six numbers of each row; times in seconds, from the middle of the token."""
    rows = np.arange(num_tokens)
    found = np.zeros((num_tokens, NUM_TIMES), np.float32)
    found[:, 0] = np.minimum(shares.sum(1), 1)
    found[:, 5] = 1
    longest = _LONGEST * tokens_per_second
    order = np.argsort(begins, kind="stable")
    begun = np.searchsorted(begins[order], rows + 1) - 1  # the last word that has begun when the token ends
    some = begun >= 0
    last = order[begun[some]] if some.any() else np.zeros(0, int)
    since = np.full(num_tokens, longest)
    left, pause = np.full(num_tokens, -longest), np.full(num_tokens, longest)
    since[some] = rows[some] + 0.5 - begins[last]
    left[some] = ends[last] - rows[some] - 0.5
    if some.any():
        pause[some] = rows[some] + 0.5 - np.maximum.accumulate(ends[order])[begun[some]]
    found[:, 1] = some & (since < 0.5) & (since >= -0.5)
    found[:, 2] = np.clip(since, -1, longest) / tokens_per_second
    found[:, 3] = np.clip(left, -longest, longest) / tokens_per_second
    found[:, 4] = np.clip(pause, 0, longest) / tokens_per_second
    return found
