"""One motion and its words become one clip of a corpus, and its mirrored twin another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..features import features_to_joints, joints_to_features
from ..filters import resample
from ..io import Corpus
from ..kinematics import mirror_positions
from ..text import join_words, mirror_text, tag_korean
from ..types import Motion, Utterance

__all__ = ["MIRROR_PREFIX", "add_motion", "encode_motion"]

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
        Also write the mirrored twin, with left and right swapped in the words, which keep their times.

    Returns
    -------
    frames : int
        Motion vectors in the clip.

    Raises
    ------
    KtubeError
        If the motion cannot be encoded or the name is not allowed; nothing
        of the clip is then in the corpus.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.skeletons import SMPL_22
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> motion = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(61, 22, 3)), fps=30)
    >>> add_motion(corpus, "wave", motion, [Utterance(0, 0, "왼손을 들어요.")], mirror=True)
    40
    >>> corpus.names(), corpus.texts("Mwave")[0].text
    (['Mwave', 'wave'], '오른손을 들어요.')
    """
    clips = encode_motion(corpus, name, motion, texts, mirror=mirror)
    for clip in clips:
        corpus.add_clip(**clip)
    return len(clips[0]["features"])


def encode_motion(
    corpus: Corpus, name: str, motion: Motion, texts: Sequence[Utterance], *, mirror: bool = False
) -> list[dict[str, Any]]:
    """Do all of `add_motion` but the writing: give the arguments of `Corpus.add_clip`, the clip's and its twin's."""
    if motion.fps != corpus.fps:
        motion = resample(motion, fps=corpus.fps)
    positions, names, words = [motion.require("positions")], [name], [list(texts)]
    if mirror:
        positions.append(mirror_positions(positions[0], skeleton=motion.skeleton))
        names.append(MIRROR_PREFIX + name)
        words.append([_mirror_words(text) for text in texts])
    features = joints_to_features(np.stack(positions), skeleton=corpus.skeleton)
    recovered = features_to_joints(features, skeleton=corpus.skeleton)
    return [
        {
            "name": names[i],
            "features": features[i],
            "texts": words[i],
            "joints": positions[i],
            "recovered": recovered[i],
        }
        for i in range(len(names))
    ]


def _mirror_words(utterance: Utterance) -> Utterance:
    """Swap left and right in the text, its timed words and its tokens; the times stay."""
    text = mirror_text(utterance.text)
    if text == utterance.text:
        return utterance
    # What mirrors a word may stand in the next one (왼 손), so the words are cut from the mirrored text.
    spoken, swapped = join_words(utterance.text, utterance.words), text.split()
    words = tuple(replace(word, text=new) for word, new in zip(spoken, swapped, strict=False))
    # Tagged anew, because whether 오른 is a side or a verb is decided in the text.
    tokens = tuple(tag_korean(text)) if utterance.tokens else ()
    return replace(utterance, text=text, words=words if len(spoken) == len(swapped) else (), tokens=tokens)
