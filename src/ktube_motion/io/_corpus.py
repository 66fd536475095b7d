"""The KTubeUM folder: motion vectors, joints, texts, statistics and splits.

HumanML3D and KIT-ML folders have the same layout and open as they are.
"""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorpusError, FormatError
from ..skeletons import SMPL_22, Skeleton
from ..types import FeatureStats, Motion, Utterance, Word
from ._clip_names import check_name, check_path, read_split
from ._corpus_faults import UsableClips, vector_fault
from ._files import make_folder, read_json, read_text, save_array, write_json, write_text
from ._hub import OnTheHub, is_sharded
from ._recovery import recover_joints
from ._stored_clips import CLIP_FILES
from ._text_lines import numbered_lines, write_text_file
from ._untrusted import DAMAGED
from ._word_times import check_words, read_words, write_words

__all__ = ["SPLITS", "Corpus", "check_settings"]

SPLITS = ("train", "val", "test", "train_val", "all")


class Corpus(UsableClips, OnTheHub):
    """A KTubeUM, HumanML3D or KIT-ML folder, or the same in shards.

    Parameters
    ----------
    root : path
        An existing corpus, with a folder ``new_joint_vecs`` of one file a
        clip, or ``data`` of shards with many clips each; `create` makes a new
        one, `export_corpus` turns one kind into the other.
    strict : bool
        Clips that no model can read are an error. By default they are left out by whoever asks for `usable`
        clips, which are all trainings, evaluations and statistics, and named in one warning.
    follow_links : bool
        Follow symbolic links that lead out of the folder.

    Attributes
    ----------
    root : Path
    strict : bool
    skeleton : Skeleton
        From ``corpus.json``, else from the size of the vectors.
    fps : float
        From ``corpus.json``, else 20 (12.5 for KIT-ML).
    malformed : dict of str to int
        Text lines left out so far, by clip.
    malformed_words : dict of str to int
        Text lines whose word times were left out so far, by clip: damaged, or those of another text.
    unusable : dict of str to str
        Clips that `usable` has left out so far, and why.

    Raises
    ------
    CorpusError
        If the folder is not a corpus.

    See Also
    --------
    export_corpus : turns a folder into shards, and shards into a folder.

    Examples
    --------
    >>> import tempfile
    >>> corpus = Corpus.create(tempfile.mkdtemp(), fps=20)
    >>> corpus.add_clip("a", features=np.zeros((39, 263)), texts=[Utterance(0, 0, "안녕하세요")])
    >>> corpus.write_splits({"train": ["a"], "val": [], "test": []})
    >>> corpus.names("train"), corpus.features("a").shape, corpus.texts("a")[0].text
    (['a'], (39, 263), '안녕하세요')
    >>> len(corpus), corpus[0]["features"].shape, [clip["name"] for clip in corpus]
    (1, (39, 263), ['a'])
    """

    _folder = "new_joint_vecs"  # that makes it a corpus

    def __init__(self, root: str | Path, *, strict: bool = False, follow_links: bool = False) -> None:
        super().__init__(strict=strict)
        if type(self) is Corpus and is_sharded(root):
            from ._shard_corpus import ShardCorpus

            # It becomes what its folder is; a `__new__` would tell subclasses which arguments they may have.
            self.__class__ = ShardCorpus
        self.root: Path = Path(root)
        self._follow_links = follow_links
        self._known: dict[str, tuple[tuple[int, int], str | None]] = {}
        if not os.path.isdir(self.root / self._folder):  # never raises, as Path.is_dir does for a name too long
            have = (
                sorted(entry.name for entry in self.root.iterdir())[:10]
                if os.path.isdir(self.root)
                else "no such folder"
            )
            raise CorpusError(
                "This is not a KTubeUM corpus.",
                where=self.root,
                expected="a folder with new_joint_vecs/ and texts/",
                found=have,
                fix="`ktube-motion build --poses DIR --transcripts DIR` makes one; so does construct.build_corpus.",
            )

    @classmethod
    def create(
        cls, root: str | Path, *, skeleton: Skeleton = SMPL_22, fps: float = 20.0, shards: bool = False
    ) -> "Corpus":
        """Make a new corpus, or open an existing one of the same skeleton and fps.

        Parameters
        ----------
        root : path
        skeleton : Skeleton
        fps : float
        shards : bool
            Keep many clips in one file, see `writing`.

        Raises
        ------
        CorpusError
            If a corpus of another skeleton or fps is there already.
        WriteError
            If the folder cannot be made.
        """
        root = Path(root)
        if not is_sharded(root):
            make_folder(root / ("data" if shards else "new_joint_vecs"))
        if is_sharded(root) != shards:
            kind = "a corpus of one file a clip" if shards else "a corpus in shards"
            raise CorpusError("Another corpus is here.", where=root, found=kind, fix="Choose another folder.")
        settings = {"skeleton": skeleton.name, "fps": float(fps)}
        if not os.path.exists(root / "corpus.json"):
            write_json(root / "corpus.json", settings)
        corpus = cls(root)
        found = {"skeleton": corpus.skeleton.name, "fps": corpus.fps}
        if found != settings:
            raise CorpusError(
                "Another corpus is here.", where=root, expected=settings, found=found, fix="Choose another folder."
            )
        return corpus

    @cached_property
    def _settings(self) -> dict[str, Any]:
        path = self.root / "corpus.json"
        if os.path.exists(path):
            return check_settings(read_json(path), path)
        skeleton = Skeleton.for_feature_size(self._feature_size())
        return {"skeleton": skeleton.name, "fps": 12.5 if skeleton.name == "kit_21" else 20.0}

    def _feature_size(self) -> int:
        if os.path.exists(self.root / "Mean.npy"):
            return self._load("Mean.npy").shape[-1]
        for name in self._stored():
            return self._load(f"new_joint_vecs/{name}.npy").shape[-1]
        raise CorpusError("The corpus is empty.", where=self.root, expected="clips in new_joint_vecs/")

    def _stored(self) -> Iterator[str]:
        """Give the names of all clips, sorted; what a system leaves beside files (._x.npy, @eaDir) is none."""
        folder = self.root / "new_joint_vecs"
        for path in sorted(folder.rglob("*.npy")):
            inside = path.relative_to(folder)
            if not any(part.startswith((".", "@eaDir", "__MACOSX")) for part in inside.parts):
                yield inside.with_suffix("").as_posix()

    @cached_property
    def skeleton(self) -> Skeleton:
        """The skeleton of the motion vectors."""
        return Skeleton.named(self._settings["skeleton"])

    @property
    def fps(self) -> float:
        """Frames per second of the motion vectors."""
        return float(self._settings["fps"])

    def _load(self, relative: str | Path) -> np.ndarray:
        path = self._inside(self.root / relative)
        try:
            return np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            fix = "`ktube-motion build`, started again, makes what is missing."
            raise CorpusError("A file of the corpus is missing.", where=path.absolute(), fix=fix) from error
        except (OSError, *DAMAGED) as error:
            raise FormatError("This .npy file is damaged.", where=path, found=error) from error

    def _inside(self, path: Path) -> Path:
        """Give a path back unless a link on it leads out of the corpus."""
        if not self._follow_links and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root)):
            raise CorpusError(
                "A link leads out of the corpus.",
                where=path,
                found=os.path.realpath(path),
                fix="If that is meant, open it with Corpus(root, follow_links=True) (--follow-links).",
            )
        return path

    # -- reading -----------------------------------------------------------

    def names(self, split: str = "all") -> list[str]:
        """Give the clips of a split that have motion vectors.

        Raises
        ------
        CorpusError
            If there is no such split, or a name in it is not allowed.
        """
        return [name for name in self._listed(split) if os.path.exists(self._vector_path(name))]

    def missing(self, split: str = "all") -> list[str]:
        """Give the clips that a split lists but that have no motion vectors."""
        return [name for name in self._listed(split) if not os.path.exists(self._vector_path(name))]

    def _listed(self, split: str) -> list[str]:
        path = self.root / f"{check_name(split)}.txt"
        if os.path.exists(path):
            names = read_split(read_text(self._inside(path)), where=path)
            return list(dict.fromkeys(self._as_written(name) for name in names))
        if split == "all":
            return list(self._stored())
        have = [name for name in SPLITS if os.path.exists(self.root / f"{name}.txt")]
        raise CorpusError(
            f"The corpus has no split {split!r}.",
            where=self.root.absolute(),
            expected=f"{split}.txt",
            found=have or "no splits",
            fix="`ktube-motion build --poses my_pose --transcripts DIR` makes splits and texts; "
            "the steps before it do not.",
        )

    def _as_written(self, name: str) -> str:
        """Give a name as its file has it: macOS takes Korean letters apart, and a split may come from elsewhere."""
        if name.isascii() or os.path.exists(self._vector_path(name)):
            return name
        others = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
        return next((other for other in others if os.path.exists(self._vector_path(other))), name)

    def _vector_path(self, name: str) -> Path:
        return self.root / "new_joint_vecs" / f"{name}.npy"

    def features(self, name: str) -> np.ndarray:
        """Give the motion vectors of a clip, float32 ``(T-1, D)``."""
        features = self._load(f"new_joint_vecs/{check_path(name)}.npy")
        if features.dtype.kind not in "fiub":
            raise CorpusError("These are no numbers.", where=self._vector_path(name), found=features.dtype)
        if features.ndim != 2 or features.shape[1] != self.skeleton.feature_size:
            raise CorpusError(
                "Motion vectors of the wrong size.",
                where=self._vector_path(name),
                expected=f"(frames, {self.skeleton.feature_size})",
                found=features.shape,
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which is told as such
            return features.astype(np.float32, copy=False)

    def _fault(self, name: str) -> str | None:
        state = self._vector_path(name).stat()
        stamp = (state.st_size, state.st_mtime_ns)
        if self._known.get(name, (None, None))[0] != stamp:
            try:
                fault = vector_fault(self.features(name))
            except (CorpusError, FormatError) as error:
                fault = f"{error.problem.rstrip('.')}: {error.found}"
            self._known[name] = (stamp, fault)
        return self._known[name][1]

    def joints(self, name: str, *, recovered: bool = False) -> np.ndarray:
        """Give joint positions in metres: before canonicalisation where the corpus has them, or as the vectors tell.

        HumanML3D and KIT-ML folders have the vectors alone; then, and for `recovered`, those are decoded.
        """
        for folder in ("new_joints",) if recovered else ("joints", "new_joints"):
            if self.has(name, folder):
                return self._load(f"{folder}/{name}.npy")
        return recover_joints(self.features(name), self.skeleton.num_joints)

    def motion(self, name: str) -> Motion:
        """Give a clip as its vectors tell it, named after what is said in it first."""
        said = self.texts(name, missing_ok=True)
        title = said[0].text if said else name
        return Motion(skeleton=self.skeleton, positions=self.joints(name, recovered=True), fps=self.fps, name=title)

    def has(self, name: str, folder: str = "new_joint_vecs") -> bool:
        """Say whether a clip has a file in a folder of the corpus: ``texts``, ``words``, ``joints``, ``new_joints``."""
        return os.path.exists(self.root / folder / f"{check_path(name)}{CLIP_FILES[folder]}")

    def texts(self, name: str, *, missing_ok: bool = False) -> list[Utterance]:
        """Give the utterances of a clip, with the times of their words where the corpus knows them.

        A clip without a text file is an error, unless `missing_ok`. Malformed lines are left out and counted in
        `malformed`; words that cannot be believed are left out and counted in `malformed_words`.
        """
        if missing_ok and not self.has(name, "texts"):
            return []
        lines = list(numbered_lines(self._inside(self.root / "texts" / f"{check_path(name)}.txt")))
        texts = [line.text if isinstance(line, Utterance) else None for line in lines]
        words, unbelieved = read_words(self._inside(self.root / "words" / f"{name}.json"), texts)
        self._count(name, [line for line in lines if not isinstance(line, Utterance)], unbelieved)
        told = zip(lines, words, strict=True)
        return [replace(line, words=spoken) for line, spoken in told if isinstance(line, Utterance)]

    def words(self, name: str) -> list[tuple[Word, ...]]:
        """Give the words of each utterance of `texts`, in seconds from the clip's start; ``()`` where unknown."""
        return [utterance.words for utterance in self.texts(name)]

    @property
    def stats(self) -> FeatureStats:
        """Mean and Std of the vectors. A zero Std, which other tools write, reads as 1."""
        mean, std = self._load("Mean.npy"), self._load("Std.npy")
        if std.dtype.kind in "fiu":
            std = np.where((std >= 0) & (std < 1e-8), 1, std)
        return FeatureStats(mean=mean, std=std)

    def __len__(self) -> int:
        """Number of clips, of all splits."""
        return len(self.names())

    def __bool__(self) -> bool:
        return True  # a corpus that is still empty is one

    def __getitem__(self, which: int | str) -> dict[str, Any]:
        """Give a clip by its name or its place in `names`: a dict of ``name``, ``features`` and ``texts``."""
        name = which if isinstance(which, str) else self.names()[which]
        return {"name": name, "features": self.features(name), "texts": self.texts(name)}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[name] for name in self.names())

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
            At least one. Their ``words``, in seconds from the clip's start, are kept in ``words/NAME.json``.
        joints : array [shape=(T, J, 3)], optional
            Joints before canonicalisation.
        recovered : array [shape=(T-1, J, 3)], optional
            Joints recovered from the vectors.

        Raises
        ------
        CorpusError
            If the name, the size or the texts are not allowed, or words do not spell their text in order.
        """
        features = self._check_clip(name, features, texts)
        write_text_file(self.root / "texts" / f"{name}.txt", texts)
        write_words(self.root / "words" / f"{name}.json", texts)
        for folder, array in {"joints": joints, "new_joints": recovered}.items():
            if array is not None:
                save_array(self.root / folder / f"{name}.npy", np.asarray(array, np.float32))
        save_array(self._vector_path(name), features.astype(np.float32))

    def _check_clip(self, name: str, features: np.ndarray, texts: Sequence[Utterance]) -> np.ndarray:
        """Raise what `add_clip` raises; give the vectors as an array."""
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
        for utterance in texts:
            if fault := check_words(utterance.words, utterance.text):
                raise CorpusError(
                    f"The words of clip {name!r} cannot be stored.",
                    expected="words that spell the text, in order",
                    found=fault,
                    fix="ktube_motion.text.timed_words puts them right.",
                )
        return features

    @contextmanager
    def writing(self, shard: str) -> Iterator[None]:
        """Write the clips that are added inside into one shard of this name, whole at the end of the block.

        A corpus of one file a clip knows no shards, and writes each clip at once.

        Raises
        ------
        CorpusError
            If the name is not allowed.
        """
        check_name(shard)
        yield

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

    def __repr__(self) -> str:
        return f"Corpus({str(self.root)!r}, {self.skeleton.name}, {self.fps:g} fps)"


def check_settings(settings: Any, where: Path) -> dict[str, Any]:
    """Give the settings of a corpus back; `CorpusError` if they are none."""
    if not isinstance(settings, dict) or not {"skeleton", "fps"} <= settings.keys():
        raise CorpusError("Damaged settings.", where=where, expected="skeleton and fps", found=settings)
    fps = settings["fps"]
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 1000:
        raise CorpusError("No such frame rate.", where=where, expected="fps above 0, to 1000", found=fps)
    return settings
