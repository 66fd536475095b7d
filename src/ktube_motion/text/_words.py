"""Words for the motion evaluators: word vectors by part of speech."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..io._untrusted import load_numpy, load_pickle
from ._mirroring import mirror_text, mirror_tokens
from ._tagging import load_kiwi, readable, tag_korean

__all__ = ["POS_CLASSES", "WordVectorizer", "load_kiwi", "mirror_text", "mirror_tokens", "readable", "tag_korean"]

_VIP_WORDS = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift lower raise "
    "wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
_VIP_CLASS = {word: name for name, words in _VIP_WORDS.items() for word in words.split()}

#: The evaluators' 15 word classes, in the order of their one-hot vectors.
POS_CLASSES = (*"VERB NOUN DET ADP NUM AUX PRON ADJ ADV".split(), *_VIP_WORDS, "OTHER")


class WordVectorizer:
    """Word and part-of-speech vectors, as HumanML3D's motion evaluators read them.

    Parameters
    ----------
    folder : path
        Holds ``our_vab_data.npy`` (vectors), ``our_vab_words.pkl`` (list of words) and
        ``our_vab_idx.pkl`` (word to row). The pickles are opened without running code.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or the three do not fit together.

    Notes
    -----
    ``vectorizer["walk/VERB"]`` gives ``(vector, pos)``: the word's vector, and a
    one-hot vector over `POS_CLASSES`. Words that matter for motion have a class of their
    own (``Act_VIP``, ...) whatever their tag. A word without a vector gets that of ``unk`` and the class OTHER.

    Examples
    --------
    >>> import pickle, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "our_vab_data.npy", np.eye(4, 300))
    >>> words = ["unk", "sos", "eos", "walk"]
    >>> _ = (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    >>> _ = (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: i for i, word in enumerate(words)}))
    >>> vectorizer = WordVectorizer(folder)
    >>> vector, pos = vectorizer["walk/VERB"]
    >>> vector.shape, POS_CLASSES[pos.argmax()]
    ((300,), 'Act_VIP')
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        vectors = load_numpy(folder / "our_vab_data.npy")
        words = load_pickle(folder / "our_vab_words.pkl")
        rows = load_pickle(folder / "our_vab_idx.pkl")
        if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f":
            raise _misfit(folder, "a float array (words, 300)", getattr(vectors, "shape", type(vectors).__name__))
        if not isinstance(words, list) or not isinstance(rows, dict):
            raise _misfit(folder, "a list and a dict", f"{type(words).__name__} and {type(rows).__name__}")
        for word in (*words, "unk", "sos", "eos"):
            row = rows.get(word) if isinstance(word, str) else None
            if not (isinstance(row, (int, np.integer)) and 0 <= row < len(vectors)):
                raise _misfit(folder, f"a row below {len(vectors)} for {word!r}", row)
        self.folder = folder
        self._vectors = vectors.astype(np.float32)
        self._rows = {word: rows[word] for word in (*words, "unk", "sos", "eos")}
        self._one_hot = np.eye(len(POS_CLASSES), dtype=np.float32)

    @property
    def dim(self) -> int:
        """Size of a word vector."""
        return self._vectors.shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, word: str) -> bool:
        return word in self._rows

    def __getitem__(self, token: str | tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Give (vector ``(dim,)``, pos ``(15,)``) of ``"word/POS"`` or of a (word, POS) pair."""
        word, pos = _split_token(token) if isinstance(token, str) else token
        name = _VIP_CLASS.get(word, pos) if word in self._rows else "OTHER"
        kind = POS_CLASSES.index(name) if name in POS_CLASSES else -1
        return self._vectors[self._rows.get(word, self._rows["unk"])].copy(), self._one_hot[kind].copy()

    def encode_tokens(
        self, tokens: Sequence[str | tuple[str, str]], *, max_tokens: int = 20
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Encode a sentence: sos, at most `max_tokens` words, eos, then unk/OTHER up to the full size.

        Parameters
        ----------
        tokens : sequence of "word/POS" or (word, POS)
            May be empty.
        max_tokens : int
            Words beyond this are cut off.

        Returns
        -------
        words : float32 array [shape=(max_tokens + 2, dim)]
        pos : float32 array [shape=(max_tokens + 2, 15)]
        length : int
            Words with sos and eos, without the padding.

        Raises
        ------
        FormatError
            If a token is not ``word/POS``.
        """
        sentence = [("sos", "OTHER"), *tokens[:max_tokens], ("eos", "OTHER")]
        padding = [("unk", "OTHER")] * (max_tokens + 2 - len(sentence))
        words, pos = zip(*(self[token] for token in (*sentence, *padding)), strict=True)
        return np.stack(words), np.stack(pos), len(sentence)

    def __repr__(self) -> str:
        return f"WordVectorizer({str(self.folder)!r}: {len(self)} words, {self.dim}-d)"


def _misfit(folder: str | Path, expected: object, found: object) -> FormatError:
    return FormatError("The word vector files do not fit.", where=folder, expected=expected, found=found)


def _split_token(token: str) -> list[str]:
    parts = token.split("/")
    if len(parts) != 2:
        raise FormatError("A token is malformed.", expected="word/POS", found=repr(token))
    return parts
