"""Utterances with their stretch of motion: the samples of transformer and evaluator."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch

from ..errors import CheckpointError, CorpusError
from ..io import Corpus
from ..io._arrays import ArrayTable
from ..io._corpus_faults import RIGHT_LINE
from ..io._files import atomic_path, make_folder
from ..io._hub import is_sharded
from ..text import CaptionEntry, TextAugmentation, TextEncoder, caption_entries, vectors_per_text
from ..vq import MotionTokenizer

__all__ = ["KnownTexts", "TextVariants", "UtteranceSet", "encode_texts", "tokenize_corpus"]

_FILE = 20_000  # clips or texts in one file of their tokens or vectors


@dataclass(frozen=True)
class UtteranceSet:
    """Utterances of some clips, each with its stretch of the clip: the samples of training.

    Attributes
    ----------
    clips : tuple of str
        The clip of each sample.
    starts, stops : int64 array [shape=(N,)]
        Its stretch, in frames or tokens.
    texts : tuple of tuple of str
        What may be said with it; one is drawn each time.
    counts : dict of str to int
        What was left out, by reason; and what was cut into windows.
    ends : bool array [shape=(N,)]
        False where the stretch is a window that what is told goes on behind.
    """

    clips: tuple[str, ...]
    starts: np.ndarray
    stops: np.ndarray
    texts: tuple[tuple[str, ...], ...]
    counts: dict[str, int] = field(default_factory=dict)
    ends: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if len(self.ends) != len(self.clips):
            object.__setattr__(self, "ends", np.ones(len(self.clips), bool))

    @classmethod
    def from_corpus(
        cls, corpus: Corpus, lengths: Mapping[str, int], *, rate: float, shortest: int = 1
    ) -> "UtteranceSet":
        """Read the texts of clips.

        Parameters
        ----------
        corpus : Corpus
        lengths : mapping of str to int
            Clips, and how many frames or tokens each has.
        rate : float
            Frames or tokens a second.
        shortest : int
            Shorter samples are left out and counted.

        Raises
        ------
        CorpusError
            If no sample is left.
        """
        clips: list[str] = []
        entries: list[CaptionEntry] = []
        counts = {"malformed_lines": 0}
        for name, length in lengths.items():
            found, left_out = caption_entries(
                corpus.texts(name), length, fps=rate, min_frames=shortest, max_frames=None
            )
            entries += found
            clips += [name] * len(found)
            for reason, count in left_out.items():
                counts[reason] = counts.get(reason, 0) + count
            counts["malformed_lines"] += corpus.malformed.get(name, 0)
        if not entries:
            raise CorpusError(
                "No utterance can be used.",
                where=corpus.root,
                expected=f"clips with texts, a line as {RIGHT_LINE}",
                found=", ".join(f"{name} {count}" for name, count in counts.items()),
            )
        return cls(
            tuple(clips),
            np.array([entry.start for entry in entries]),
            np.array([entry.stop for entry in entries]),
            tuple(tuple(text.text for text in entry.texts) for entry in entries),
            counts,
        )

    def __len__(self) -> int:
        return len(self.clips)

    def windows(self, most: int) -> "UtteranceSet":
        """Cut what is longer than `most` into windows that together hold all of it; shorter samples stay as they are.

        The last window of a sample ends where the sample does, and is as long as the others. ``counts`` tells of
        ``cut_samples`` and their ``windows``.

        Examples
        --------
        >>> whole = UtteranceSet(("a",), np.array([10]), np.array([35]), (("손",),))
        >>> cut = whole.windows(10)
        >>> list(zip(cut.starts.tolist(), cut.stops.tolist(), cut.ends.tolist()))
        [(10, 20, False), (20, 30, False), (25, 35, True)]
        """
        sizes = self.stops - self.starts
        numbers = np.maximum(-(-sizes // most), 1)
        rows = np.repeat(np.arange(len(self)), numbers)
        places = np.concatenate([np.arange(number) for number in numbers])
        last = places == numbers[rows] - 1
        starts = self.starts[rows] + np.where(last, np.maximum(sizes[rows] - most, 0), places * most)
        counts = {"cut_samples": int((numbers > 1).sum()), "windows": int(numbers[numbers > 1].sum())}
        return UtteranceSet(
            tuple(self.clips[row] for row in rows),
            starts,
            np.minimum(starts + most, self.stops[rows]),
            tuple(self.texts[row] for row in rows),
            self.counts | counts,
            last,
        )

    def draw_texts(self, samples: np.ndarray, rng: np.random.Generator) -> list[str]:
        """Give one text for each sample, drawn where there are several."""
        return [self.texts[k][rng.integers(len(self.texts[k]))] for k in samples]

    def every_text(self) -> list[str]:
        """Give each different text once."""
        return list(dict.fromkeys(text for choices in self.texts for text in choices))


def encode_texts(encoder: TextEncoder, texts: Iterable[str], *, progress: bool = True) -> dict[str, torch.Tensor]:
    """Encode each different text once.

    Parameters
    ----------
    encoder : TextEncoder
    texts : iterable of str
    progress : bool

    Returns
    -------
    vectors : dict of str to float32 tensor [shape=(dim,) or (length, dim)]

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> vectors = encode_texts(EmbeddedTextEncoder(), ["네.", "네.", "아니요."], progress=False)
    >>> sorted(vectors), vectors["네."].shape
    (['네.', '아니요.'], torch.Size([512]))
    """
    from tqdm import tqdm

    listed = list(dict.fromkeys(texts))
    vectors: dict[str, torch.Tensor] = {}
    with tqdm(total=len(listed), desc="texts", unit="text", disable=None if progress else True) as bar:
        for first in range(0, len(listed), 256):
            part = listed[first : first + 256]
            vectors.update(zip(part, encoder.encode(part), strict=True))
            bar.update(len(part))
    return vectors


class KnownTexts:
    """A text encoder that reads each text once: trainings and evaluations ask for the same ones again and again.

    Parameters
    ----------
    encoder : TextEncoder
    texts : iterable of str
        To be read at once.
    progress : bool
    folder : path, optional
        Keep the vectors of `texts` there, in shards that are mapped, instead of in memory.

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> KnownTexts(EmbeddedTextEncoder()).encode(["손", "발", "손"]).shape
    torch.Size([3, 512])
    """

    def __init__(
        self,
        encoder: TextEncoder,
        texts: Iterable[str] = (),
        *,
        progress: bool = False,
        folder: str | Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.vectors: dict[str, torch.Tensor] = {}
        self.kept = None if folder is None else ArrayTable(Path(folder) / "texts", encoder.identity)
        self.dim: int
        self.identity: str
        self.length: int
        self.dim, self.identity, self.length = encoder.dim, encoder.identity, vectors_per_text(encoder)
        self.unwrapped: TextEncoder = getattr(encoder, "unwrapped", encoder)
        if self.kept is None:
            self._read(texts, progress)
        else:
            _fill(self.kept, texts, lambda part: self._encoded(part, False), progress=progress, unit="text")

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give float32 vectors, as the encoder does, on the CPU."""
        kept = {} if self.kept is None else self.kept
        self._read([text for text in texts if text not in self.vectors and text not in kept], False)
        found = [self.vectors[text] if text in self.vectors else torch.from_numpy(kept[text]) for text in texts]
        if self.length == 1:
            return torch.stack(found)
        rows = torch.zeros(len(texts), self.length, self.dim)
        for row, vectors in zip(rows, found, strict=True):
            row[: len(vectors)] = vectors
        return rows

    def _read(self, texts: Iterable[str], progress: bool) -> None:
        self.vectors.update(self._encoded(texts, progress))

    def _encoded(self, texts: Iterable[str], progress: bool) -> dict[str, torch.Tensor]:
        found = encode_texts(self.encoder, texts, progress=progress)
        # The empty rows of a short text would be most of what is kept.
        return {
            text: vectors if self.length == 1 else vectors[: int(vectors.any(-1).sum())].clone()
            for text, vectors in found.items()
        }


class TextVariants:
    """What an augmentation makes of texts: so many paraphrases of each, always the same.

    Parameters
    ----------
    augmentation : TextAugmentation or None
        None leaves texts as they are.
    texts : iterable of str
    count : int
    progress : bool

    Examples
    --------
    >>> from ktube_motion.text import TextAugmentation
    >>> variants = TextVariants(TextAugmentation([("손", "발")], paraphrase=1), ["손"], 2)
    >>> variants.draw(["손", "손"], np.random.default_rng(0)), variants.every_text()
    (['발', '발'], ['발'])
    """

    def __init__(
        self, augmentation: TextAugmentation | None, texts: Iterable[str], count: int, *, progress: bool = False
    ) -> None:
        from tqdm import tqdm

        listed: list[str] = [] if augmentation is None else list(dict.fromkeys(texts))
        self.paraphrases: dict[str, list[str]] = {
            text: [augmentation(text, np.random.default_rng((crc32(text.encode()), k))) for k in range(count)]  # type: ignore[misc]
            for text in tqdm(listed, desc="paraphrases", unit="text", disable=None if progress else True)
        }

    def draw(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Give one paraphrase of each text."""
        if not self.paraphrases:
            return list(texts)
        return [self.paraphrases[text][rng.integers(len(self.paraphrases[text]))] for text in texts]

    def every_text(self) -> list[str]:
        """Give each different paraphrase once."""
        return list(dict.fromkeys(text for made in self.paraphrases.values() for text in made))


def tokenize_corpus(
    corpus: Corpus,
    tokenizer: MotionTokenizer,
    names: Sequence[str],
    *,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Mapping[str, np.ndarray]:
    """Turn clips into motion tokens, kept on disk when a folder is given: for a corpus in shards, in shards too.

    Parameters
    ----------
    corpus : Corpus
    tokenizer : MotionTokenizer
    names : list of str
        Clips.
    folder : path, optional
        Cache. It records the tokenizer's fingerprint and is made anew when
        that has changed.
    progress : bool

    Returns
    -------
    tokens : mapping of str to int64 array [shape=(L,)]
        Of shards, mapped and not in memory.

    Raises
    ------
    CheckpointError
        If the tokenizer is of another size than the corpus.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.types import Utterance
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     motion = np.random.default_rng(ord(name)).normal(size=(40, 263))
    ...     corpus.add_clip(name, features=motion, texts=[Utterance(0, 0, "안녕하세요")])
    >>> corpus.write_splits({"train": ["a"], "val": ["b"]})
    >>> from ktube_motion.vq import TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> {name: len(found) for name, found in tokenize_corpus(corpus, tokenizer, ["a"], progress=False).items()}
    {'a': 10}
    """
    from tqdm import tqdm

    if tokenizer.config.feature_size != corpus.skeleton.feature_size:
        raise CheckpointError(
            "The tokenizer is of another data set.",
            expected=f"{corpus.skeleton.feature_size} numbers a frame, as in {corpus.root}",
            found=tokenizer.config.feature_size,
        )
    if folder is not None and is_sharded(corpus.root):
        table = ArrayTable(Path(folder) / "tokens", tokenizer.fingerprint)
        _fill(table, names, lambda part: {n: _tokens(corpus, tokenizer, n) for n in part}, progress=progress)
        return table
    path = None if folder is None else Path(folder) / "tokens.safetensors"
    cached = _read_tokens(path, tokenizer.fingerprint)
    missing = [name for name in names if name not in cached]
    for name in tqdm(missing, desc="motion tokens", unit="clip", disable=None if progress else True):
        cached[name] = _tokens(corpus, tokenizer, name)
    if path is not None and missing:
        _write_tokens(path, tokenizer.fingerprint, cached)
    return {name: cached[name] for name in names}


def _tokens(corpus: Corpus, tokenizer: MotionTokenizer, name: str) -> np.ndarray:
    features = torch.from_numpy(np.array(corpus.features(name))).to(next(tokenizer.parameters()).device)
    # A clip shorter than a token stands still to its end, as the tokenizer fills up all clips.
    still = features[-1:].expand(max(tokenizer.frames_per_token - len(features), 0), -1)
    found: np.ndarray = tokenizer.encode(torch.cat((features, still))).cpu().numpy()
    return found


def _fill(
    table: ArrayTable,
    names: Iterable[str],
    make: Callable[[Sequence[str]], Mapping[str, Any]],
    *,
    progress: bool,
    unit: str = "clip",
) -> None:
    """Make what a table of arrays lacks, file by file, so that memory holds no more and a killed job goes on.

    Of several processes that want it at the same time one makes it, the others wait.
    """
    from filelock import FileLock
    from tqdm import tqdm

    make_folder(table.folder)
    hidden = None if progress else True
    with FileLock(table.folder / ".lock"):
        table.refresh()
        missing = [name for name in dict.fromkeys(names) if name not in table]
        with tqdm(total=len(missing), desc=table.folder.name, unit=unit, disable=hidden) as bar:
            for first in range(0, len(missing), _FILE):
                part = missing[first : first + _FILE]
                table.add({name: np.asarray(array) for name, array in make(part).items()})
                bar.update(len(part))


def _read_tokens(path: Path | None, fingerprint: str) -> dict[str, Any]:
    """Give the cached tokens, or none where another tokenizer made them, or the file is damaged."""
    from safetensors import SafetensorError, safe_open

    if path is None or not os.path.exists(path):
        return {}
    try:
        with safe_open(path, framework="np") as file:
            if (file.metadata() or {}).get("tokenizer") != fingerprint:
                return {}
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError):
        return {}  # made anew, as it is only a cache


def _write_tokens(path: Path, fingerprint: str, tokens: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        save_file(
            {name: np.ascontiguousarray(row) for name, row in tokens.items()}, temporary, {"tokenizer": fingerprint}
        )
