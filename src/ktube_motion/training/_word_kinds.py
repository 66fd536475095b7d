"""Which kind of gesture a word calls for: learned from the words alone, before the transformer is trained."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch.nn import functional as F
from tqdm import tqdm

from ..errors import ConfigError, DataError
from ..features import features_to_joints
from ..gpt import MotionTransformer
from ..gpt._transformer import WordKinds
from ..io import Corpus
from ..text import WordEncoder
from ._speech import SpeechSet

__all__ = ["Gestures", "gesture_names", "teach_kinds", "teach_words"]

#: For each clip, its gestures: from when to when the words of it are said, in seconds, and what it is called.
Gestures = Mapping[str, Sequence[tuple[float, float, str]]]

_BATCH, _RATE, _DROPOUT = 256, 7e-4, 0.2
_TIMES, _LEAST, _MOST = 60, 300, 3000  # each word is read so often, within so many steps
_SILENT = 0.05  # of the words read are silence, which calls for nothing
_AROUND = np.arange(-0.3, 1.0, 0.1)  # seconds around a stroke, by which its kind is told
_COMPONENTS, _EXAMPLES = 20, 10_000  # of the looks of strokes, and by how many of these they are found


def gesture_names(gestures: Gestures) -> list[str]:
    """Give each name of a gesture once, sorted."""
    return sorted({name for marks in gestures.values() for _, _, name in marks})


def teach_kinds(
    kinds: WordKinds,
    speech: SpeechSet,
    corpus: Corpus,
    *,
    gestures: Gestures | None = None,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Teach which kind of gesture each word of a corpus calls for.

    Parameters
    ----------
    kinds : WordKinds
    speech : SpeechSet
    corpus : Corpus
    gestures : mapping, optional
        The gestures of the clips, where somebody has labelled them. Without, the strokes of the corpus are sorted
        by how they look (k-means), and a word is of the kind of the stroke that falls on it.
    seed : int
    progress : bool

    Raises
    ------
    ConfigError
        If there are fewer strokes than kinds.
    """
    if gestures is None:
        vectors, wanted = _by_strokes(speech, corpus, kinds.out.out_features, seed)
    else:
        vectors, wanted = _by_labels(speech, gestures)
    _learn(kinds, vectors, wanted, seed, progress)


def teach_words(
    model: MotionTransformer,
    word_encoder: WordEncoder,
    texts: Iterable[tuple[str, Sequence[tuple[str, int, int]]]],
    *,
    eagerness: float = 0.0,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Teach a transformer what words call for, by labelled sentences alone; how to move it knows already.

    Parameters
    ----------
    model : MotionTransformer
        That hears words as kinds of gestures whose names it knows (`gestures` of its config). What it knew of words
        is forgotten; nothing else changes.
    word_encoder : WordEncoder
        The one that it was trained with.
    texts : iterable of (str, sequence of (str, int, int))
        Sentences; and for each gesture in one what it is called, and the first letter of its words and the one
        behind their last. Sentences without a gesture are wanted, too: they tell which words call for none.
    eagerness : float
        A doubtful word gets its gesture ``exp(eagerness)`` times as readily as the sentences say.
    seed : int
    progress : bool

    Raises
    ------
    ConfigError
        If the model has no names of gestures, a label none of them, or the encoder is another.
    DataError
        If a label lies outside its sentence, or there is no sentence.

    Examples
    --------
    >>> from ktube_motion import UtteranceToMotion
    >>> from ktube_motion.samples import sentences
    >>> speaker = UtteranceToMotion.from_pretrained("sample-speaker")
    >>> texts = [(sentence.text, sentence.marks) for sentence in sentences("cheer")]
    >>> texts.append(("하이파이브 한번 할까요?", [("cheer", 0, 5)]))
    >>> teach_words(speaker.transformer, speaker.word_encoder, texts, progress=False)
    """
    kinds, names = _kinds_of(model, word_encoder)
    vectors: list[torch.Tensor] = []
    wanted: list[int] = []
    for text, marks in texts:
        words = list(re.finditer(r"\S+", text))
        for name, first, stop in marks:
            if name not in names:
                raise ConfigError("The model knows no such gesture.", where=text, expected=list(names), found=name)
            if not 0 <= first < stop <= len(text):
                raise DataError("A label lies outside its sentence.", where=text, found=(name, first, stop))
        if words:
            vectors.append(word_encoder.encode_words([word.group() for word in words]).float().cpu())
        spans = [(first, stop, name) for name, first, stop in marks]
        wanted += [_kind_at(*word.span(), spans, names) for word in words]
    if not vectors:
        raise DataError("There is no sentence to learn from.")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        fresh = WordKinds(model.config)
    _learn(fresh, torch.cat(vectors), torch.tensor(wanted), seed, progress)
    with torch.no_grad():
        fresh.out.bias[0] -= eagerness
    kinds.load_state_dict(fresh.state_dict())


def _kinds_of(model: MotionTransformer, word_encoder: WordEncoder) -> tuple[WordKinds, tuple[str, ...]]:
    config = model.config
    kinds = None if model.hearing is None else model.hearing.kinds
    if kinds is None or not config.gestures:
        raise ConfigError(
            "This model does not hear words as kinds of gestures that have names.",
            fix="Train one with gestures=, see train_transformer.",
        )
    if word_encoder.identity != config.word_encoder:
        raise ConfigError(
            "The model was trained with another word encoder.",
            expected=config.word_encoder, found=word_encoder.identity,
        )  # fmt: skip
    return kinds, config.gestures


def _learn(kinds: WordKinds, vectors: torch.Tensor, wanted: torch.Tensor, seed: int, progress: bool) -> None:
    """Teach which kind, ``wanted``, each word is of, given their vectors."""
    silence = max(int(_SILENT * len(vectors)), 1)
    vectors = torch.cat((vectors, vectors.new_zeros(silence, vectors.shape[1])))
    wanted = torch.cat((wanted, wanted.new_zeros(silence)))
    steps = min(max(_TIMES * len(vectors) // _BATCH, _LEAST), _MOST)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(kinds.parameters(), lr=_RATE, weight_decay=0.01)
        for _ in tqdm(range(steps), desc="what words call for", disable=None if progress else True, leave=False):
            rows = torch.randint(len(vectors), (_BATCH,))
            loss = F.cross_entropy(kinds(vectors[rows], _DROPOUT), wanted[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()  # a gradient that is left would be one more step, of the transformer's training


def _by_labels(speech: SpeechSet, gestures: Gestures) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the vectors of the words of labelled clips, and which gesture stands on each; 0 where none does."""
    names = gesture_names(gestures)
    vectors: list[torch.Tensor] = []
    wanted: list[int] = []
    for clip, readings in speech.readings.items():
        if clip not in gestures:
            continue
        vectors.append(readings[0].vectors)
        wanted += [_kind_at(word.start, word.end, gestures[clip], names) for word in readings[0].given]
    if not vectors:
        raise ConfigError(
            "No clip of the training has labelled gestures.", expected="names of clips", found=list(gestures)[:3]
        )
    return torch.cat(vectors), torch.tensor(wanted)


def _kind_at(start: float, end: float, marks: Sequence[tuple[float, float, str]], names: Sequence[str]) -> int:
    """Give the kind of the first gesture whose words share something with a word; 0 where none does."""
    on = [name for first, stop, name in marks if start < stop and end > first]
    return 1 + names.index(on[0]) if on else 0


def _by_strokes(speech: SpeechSet, corpus: Corpus, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the vectors of all words, and the kind of a stroke that falls on each; 0 for words that carry none."""
    rng = np.random.default_rng(seed)
    kinds = _kinds_of_strokes({clip: _looks(corpus, clip, speech.strokes[clip]) for clip in speech.names}, count, seed)
    vectors: list[torch.Tensor] = []
    wanted: list[int] = []
    for clip, readings in speech.readings.items():
        for reading in readings:
            vectors.append(reading.vectors)
            for near, idle in zip(reading.near, reading.idle, strict=True):
                wanted.append(0 if idle else 1 + int(kinds[clip][rng.choice(near)]))
    return torch.cat(vectors), torch.tensor(wanted)


def _looks(corpus: Corpus, clip: str, strokes: np.ndarray) -> np.ndarray:
    """Give how the body moves about each stroke, seen from the root, ``(strokes, D)``."""
    joints = features_to_joints(np.asarray(corpus.features(clip)), skeleton=corpus.skeleton)
    joints = joints - joints[:, :1]
    frames = np.rint((strokes[:, None] + _AROUND) * corpus.fps).astype(int).clip(0, len(joints) - 1)
    return joints[frames].reshape(len(strokes), -1)


def _kinds_of_strokes(looks: Mapping[str, np.ndarray], count: int, seed: int) -> dict[str, np.ndarray]:
    """Sort strokes by their looks into ``count - 1`` kinds."""
    every = np.concatenate(list(looks.values()))
    if len(every) < count:
        raise ConfigError(
            "There are fewer strokes than kinds of them.", expected=f"word_kinds up to {len(every)}", found=count
        )
    away = every - every.mean(0)
    axes = np.linalg.svd(away[:: -(-len(away) // _EXAMPLES)], full_matrices=False)[2][:_COMPONENTS]
    _, kinds = kmeans2(away @ axes.T, count - 1, minit="++", seed=seed)
    ends = np.cumsum([len(part) for part in looks.values()])[:-1]
    return dict(zip(looks, np.split(kinds, ends), strict=True))
