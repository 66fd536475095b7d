"""The KTubeUM folder: motion vectors, joints, texts, statistics and splits.

HumanML3D and KIT-ML folders have the same layout and open as they are.
"""

import math
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import CorpusError, FormatError
from ..skeletons import SMPL_22, Skeleton
from ..types import FeatureStats, Motion, Utterance
from .files import read_json, read_text, save_array, write_json, write_text

__all__ = ["Corpus", "check_name", "read_text_file", "write_text_file"]

SPLITS = ("train", "val", "test", "train_val", "all")

# Signs that separate fields in a text line are kept as their full-width twins, which read the same.
_FULL_WIDTH = str.maketrans({"#": "＃", "/": "／"})
_HALF_WIDTH = str.maketrans({"＃": "#", "／": "/"})


def check_name(name: str) -> str:
    """Give `name` back if it is safe as a file name inside a corpus.

    Raises
    ------
    CorpusError
        If it is empty, hidden, longer than 200 bytes, or has a path
        separator, ``..``, white space at its ends or a control character.

    Examples
    --------
    >>> check_name("강연_001")
    '강연_001'
    >>> check_name("../secret")
    Traceback (most recent call last):
    ktube_motion.errors.CorpusError: ...
    """
    if not isinstance(name, str):
        raise CorpusError("A clip name must be text.", found=type(name).__name__)
    fault = None
    if not name or name != name.strip() or name.startswith("."):
        fault = "is empty, hidden or has white space at its ends"
    elif any(sign in name for sign in "/\\:") or ".." in name:
        fault = "has a path separator or '..'"
    elif any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in name):
        fault = "has a control character or a line break"
    elif len(name.encode()) > 200:
        fault = f"is {len(name.encode())} bytes long, 200 are allowed"
    if fault:
        raise CorpusError(f"The clip name {name[:80]!r} {fault}.", fix="Use a plain file name without folders.")
    return name


def _seconds(text):
    value = float(text)
    return 0.0 if math.isnan(value) else value


def _parse_line(line):
    parts = line.split("#")
    if len(parts) != 4:
        raise FormatError("Malformed text line.", expected="sentence#word/POS …#from#to", found=f"{len(parts)} parts")
    text, tokens, start, end = parts
    pairs = []
    for token in tokens.split():
        word, slash, tag = token.rpartition("/")
        if not slash:
            raise FormatError("A token has no part of speech.", expected="word/POS", found=repr(token))
        pairs.append((word.translate(_HALF_WIDTH), tag))
    try:
        start, end = _seconds(start), _seconds(end)
    except ValueError as error:
        raise FormatError("The times are not numbers.", expected="from#to in seconds", found=(start, end)) from error
    text = text.translate(_HALF_WIDTH).strip()
    if not text:
        raise FormatError("The sentence is empty.", expected="sentence#word/POS …#from#to", found=repr(line[:80]))
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0 and (end > start or end == start == 0)):
        raise FormatError("The times are out of order.", expected="0 <= from < to, or 0#0", found=(start, end))
    return Utterance(start, end, text, tokens=tuple(pairs))


def read_text_file(path, *, on_error: Callable[[FormatError], None] | None = None) -> list[Utterance]:
    """Read the utterances of a clip, ``sentence#word/POS …#from#to`` a line.

    Parameters
    ----------
    path : path
    on_error : callable, optional
        Gets the `FormatError` of each malformed line, which is left out. By
        default it becomes a warning.

    Returns
    -------
    utterances : list of Utterance
        Times in seconds from the start of the clip; ``0, 0`` is the whole clip.

    Raises
    ------
    FormatError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_text_file(path, [Utterance(0, 2.5, "1/2 #번", tokens=(("1/2", "NUM"), ("#번", "NOUN")))])
    >>> read_text_file(path)[0].tokens
    (('1/2', 'NUM'), ('#번', 'NOUN'))
    """
    utterances = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            utterances.append(_parse_line(line))
        except FormatError as error:
            error = FormatError(
                error.problem, where=f"{path}, line {number}", expected=error.expected, found=error.found
            )
            if on_error is None:
                warnings.warn(f"{error} The line is left out.", stacklevel=2)
            else:
                on_error(error)
    return utterances


def write_text_file(path, utterances: Iterable[Utterance]) -> None:
    """Write utterances in the format of `read_text_file`, atomically.

    ``#`` in words and ``/`` in tokens are written full-width, so that other
    readers of the format, which know no escapes, split lines rightly.
    """
    lines = []
    for utterance in utterances:
        text = " ".join(utterance.text.replace("#", "＃").split())
        tokens = " ".join(
            f"{''.join(word.split()).translate(_FULL_WIDTH)}/{tag.translate(_FULL_WIDTH)}"
            for word, tag in utterance.tokens
        )
        lines.append(f"{text}#{tokens}#{utterance.start:.6g}#{utterance.end:.6g}\n")
    write_text(path, "".join(lines))


class Corpus:
    """A KTubeUM, HumanML3D or KIT-ML folder.

    Parameters
    ----------
    root : path
        An existing corpus; `create` makes a new one.

    Attributes
    ----------
    root : Path
    skeleton : Skeleton
        From ``corpus.json``, else from the size of the vectors.
    fps : float
        From ``corpus.json``, else 20 (12.5 for KIT-ML).
    malformed : dict of str to int
        Text lines left out so far, by clip.

    Raises
    ------
    CorpusError
        If the folder is not a corpus.

    Examples
    --------
    >>> import tempfile
    >>> corpus = Corpus.create(tempfile.mkdtemp(), fps=20)
    >>> corpus.add_clip("a", features=np.zeros((39, 263)), texts=[Utterance(0, 0, "안녕하세요")])
    >>> corpus.write_splits({"train": ["a"], "val": [], "test": []})
    >>> corpus.names("train"), corpus.features("a").shape, corpus.texts("a")[0].text
    (['a'], (39, 263), '안녕하세요')
    """

    def __init__(self, root):
        self.root = Path(root)
        self.malformed: dict[str, int] = {}
        if not (self.root / "new_joint_vecs").is_dir():
            have = sorted(entry.name for entry in self.root.iterdir())[:10] if self.root.is_dir() else "no such folder"
            raise CorpusError(
                "This is not a KTubeUM corpus.",
                where=self.root,
                expected="a folder with new_joint_vecs/ and texts/",
                found=have,
                fix="Build one with ktube_motion.construct.build_corpus.",
            )

    @classmethod
    def create(cls, root, *, skeleton: Skeleton = SMPL_22, fps: float = 20.0) -> "Corpus":
        """Make a new corpus folder, or open an existing one of the same skeleton and fps.

        Raises
        ------
        CorpusError
            If a corpus of another skeleton or fps is there already, or the folder cannot be made.
        """
        root = Path(root)
        try:
            (root / "new_joint_vecs").mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            raise CorpusError("Cannot make a corpus here.", where=ascii(str(root)[:200]), found=error) from error
        settings = {"skeleton": skeleton.name, "fps": float(fps)}
        if not (root / "corpus.json").exists():
            write_json(root / "corpus.json", settings)
        corpus = cls(root)
        found = {"skeleton": corpus.skeleton.name, "fps": corpus.fps}
        if found != settings:
            raise CorpusError(
                "Another corpus is here.", where=root, expected=settings, found=found, fix="Choose another folder."
            )
        return corpus

    @cached_property
    def _settings(self):
        path = self.root / "corpus.json"
        if path.exists():
            settings = read_json(path)
            if not isinstance(settings, dict) or not {"skeleton", "fps"} <= settings.keys():
                raise CorpusError("Damaged settings.", where=path, expected="skeleton and fps", found=settings)
            return settings
        skeleton = Skeleton.for_feature_size(self._feature_size())
        return {"skeleton": skeleton.name, "fps": 12.5 if skeleton.name == "kit_21" else 20.0}

    def _feature_size(self):
        if (self.root / "Mean.npy").exists():
            return self._load("Mean.npy").shape[-1]
        first = next(iter(sorted((self.root / "new_joint_vecs").glob("*.npy"))), None)
        if first is None:
            raise CorpusError("The corpus is empty.", where=self.root, expected="clips in new_joint_vecs/")
        return self._load(first.relative_to(self.root)).shape[-1]

    @cached_property
    def skeleton(self) -> Skeleton:
        """The skeleton of the motion vectors."""
        return Skeleton.named(self._settings["skeleton"])

    @property
    def fps(self) -> float:
        """Frames per second of the motion vectors."""
        return float(self._settings["fps"])

    def _load(self, relative):
        path = self.root / relative
        try:
            return np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            raise CorpusError("A file of the corpus is missing.", where=path) from error
        except (ValueError, EOFError, OSError) as error:
            raise FormatError("This .npy file is damaged.", where=path, found=error) from error

    # -- reading -----------------------------------------------------------

    def names(self, split: str = "all") -> list[str]:
        """Give the clips of a split that have motion vectors.

        Raises
        ------
        CorpusError
            If there is no such split, or a name in it is not allowed.
        """
        return [name for name in self._listed(split) if self._vector_path(name).exists()]

    def missing(self, split: str = "all") -> list[str]:
        """Give the clips that a split lists but that have no motion vectors."""
        return [name for name in self._listed(split) if not self._vector_path(name).exists()]

    def _listed(self, split):
        path = self.root / f"{check_name(split)}.txt"
        if path.exists():
            return [check_name(line.strip()) for line in read_text(path).split("\n") if line.strip()]
        if split == "all":
            return sorted(path.stem for path in (self.root / "new_joint_vecs").glob("*.npy"))
        have = [name for name in SPLITS if (self.root / f"{name}.txt").exists()]
        raise CorpusError(
            f"The corpus has no split {split!r}.", where=self.root, expected=f"{split}.txt", found=have or "no splits"
        )

    def _vector_path(self, name):
        return self.root / "new_joint_vecs" / f"{name}.npy"

    def features(self, name: str) -> np.ndarray:
        """Give the motion vectors of a clip, float32 ``(T-1, D)``."""
        features = self._load(f"new_joint_vecs/{check_name(name)}.npy")
        if features.ndim != 2 or features.shape[1] != self.skeleton.feature_size:
            raise CorpusError(
                "Motion vectors of the wrong size.",
                where=self._vector_path(name),
                expected=f"(frames, {self.skeleton.feature_size})",
                found=features.shape,
            )
        return features.astype(np.float32, copy=False)

    def joints(self, name: str, *, recovered: bool = False) -> np.ndarray:
        """Give joint positions in metres: before canonicalisation, or `recovered` from the vectors."""
        return self._load(f"{'new_joints' if recovered else 'joints'}/{check_name(name)}.npy")

    def motion(self, name: str) -> Motion:
        """Give a clip as its vectors tell it, named after what is said in it first."""
        said = self.texts(name) if (self.root / "texts" / f"{check_name(name)}.txt").exists() else []
        title = said[0].text if said else name
        return Motion(skeleton=self.skeleton, positions=self.joints(name, recovered=True), fps=self.fps, name=title)

    def texts(self, name: str) -> list[Utterance]:
        """Give the utterances of a clip; malformed lines are left out and counted in `malformed`."""
        errors: list[FormatError] = []
        utterances = read_text_file(self.root / "texts" / f"{check_name(name)}.txt", on_error=errors.append)
        if errors:
            self.malformed[name] = len(errors)
        return utterances

    @property
    def stats(self) -> FeatureStats:
        """Mean and Std of the vectors. A zero Std, which other tools write, reads as 1."""
        std = self._load("Std.npy")
        return FeatureStats(mean=self._load("Mean.npy"), std=np.where(std < 1e-8, 1, std))

    # -- writing -----------------------------------------------------------

    def add_clip(
        self,
        name: str,
        *,
        features: np.ndarray,
        texts: Sequence[Utterance],
        joints: np.ndarray | None = None,
        recovered: np.ndarray | None = None,
    ) -> None:
        """Write one clip; the vectors last, so that a clip that has them is complete.

        Parameters
        ----------
        name : str
            File name without suffix.
        features : array [shape=(T-1, D)]
            Motion vectors.
        texts : list of Utterance
            At least one.
        joints : array [shape=(T, J, 3)], optional
            Joints before canonicalisation.
        recovered : array [shape=(T-1, J, 3)], optional
            Joints recovered from the vectors.

        Raises
        ------
        CorpusError
            If the name, the size or the texts are not allowed.
        """
        check_name(name)
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != self.skeleton.feature_size or not np.isfinite(features).all():
            raise CorpusError(
                f"The vectors of clip {name!r} cannot be stored.",
                expected=f"finite numbers (frames, {self.skeleton.feature_size})",
                found=features.shape,
            )
        if not texts:
            raise CorpusError(f"Clip {name!r} has no text.", expected="at least one utterance")
        write_text_file(self.root / "texts" / f"{name}.txt", texts)
        for folder, array in {"joints": joints, "new_joints": recovered}.items():
            if array is not None:
                save_array(self.root / folder / f"{name}.npy", np.asarray(array, np.float32))
        save_array(self._vector_path(name), features.astype(np.float32))

    def write_splits(self, splits: Mapping[str, Sequence[str]]) -> None:
        """Write ``train``, ``val`` and ``test``; ``train_val`` and ``all`` follow from them.

        Raises
        ------
        CorpusError
            If a clip is in two splits.
        """
        parts = {split: [check_name(name) for name in splits.get(split, ())] for split in ("train", "val", "test")}
        every = [name for names in parts.values() for name in names]
        twice = sorted({name for name in every if every.count(name) > 1}) if len(set(every)) < len(every) else []
        if twice:
            raise CorpusError("A clip is in two splits.", where=self.root, found=twice[:5])
        parts["train_val"], parts["all"] = parts["train"] + parts["val"], every
        for split, names in parts.items():
            write_text(self.root / f"{split}.txt", "".join(f"{name}\n" for name in names))

    def write_stats(self, stats: FeatureStats) -> None:
        """Write ``Mean.npy`` and ``Std.npy``."""
        save_array(self.root / "Mean.npy", stats.mean)
        save_array(self.root / "Std.npy", stats.std)

    def __repr__(self):
        return f"Corpus({str(self.root)!r}, {self.skeleton.name}, {self.fps:g} fps)"
