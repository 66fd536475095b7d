"""One motion and its words become one clip of a corpus, and its mirrored twin another."""

from collections.abc import Sequence
from dataclasses import replace

from ..features import features_to_joints, joints_to_features
from ..filters import resample
from ..io import Corpus
from ..kinematics import mirror as mirror_motion
from ..text import mirror_text, mirror_tokens
from ..types import Motion, Utterance

__all__ = ["MIRROR_PREFIX", "add_motion"]

MIRROR_PREFIX = "M"


def add_motion(corpus: Corpus, name: str, motion: Motion, texts: Sequence[Utterance], *, mirror: bool = False) -> int:
    """Encode a motion and write it into a corpus.

    Parameters
    ----------
    corpus : Corpus
    name : str
        Of the clip; its twin is called ``M`` + name.
    motion : Motion
        With positions, on the corpus's skeleton; another fps is resampled.
    texts : list of Utterance
    mirror : bool
        Also write the mirrored twin, with left and right swapped in the words.

    Returns
    -------
    frames : int
        Motion vectors in the clip.

    Raises
    ------
    KtubeError
        If the motion cannot be encoded or the name is not allowed; nothing
        of the clip is then in the corpus.
    """
    if motion.fps != corpus.fps:
        motion = resample(motion, fps=corpus.fps)
    frames = _write(corpus, name, motion, texts)
    if mirror:
        _write(corpus, MIRROR_PREFIX + name, mirror_motion(motion), [_mirror_words(text) for text in texts])
    return frames


def _write(corpus, name, motion, texts):
    features = joints_to_features(motion.positions, skeleton=corpus.skeleton)
    recovered = features_to_joints(features, skeleton=corpus.skeleton)
    corpus.add_clip(name, features=features, texts=texts, joints=motion.positions, recovered=recovered)
    return len(features)


def _mirror_words(utterance):
    return replace(utterance, text=mirror_text(utterance.text), tokens=tuple(mirror_tokens(utterance.tokens)))
