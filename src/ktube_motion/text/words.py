"""Words for the motion evaluators: word vectors, parts of speech, and mirroring."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import FormatError, MissingDependencyError
from ..io.untrusted import load_numpy, load_pickle

__all__ = ["POS_CLASSES", "WordVectorizer", "mirror_text", "mirror_tokens", "tag_korean"]

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

    def __init__(self, folder):
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

    def __len__(self):
        return len(self._rows)

    def __contains__(self, word):
        return word in self._rows

    def __getitem__(self, token):
        """Give (vector ``(dim,)``, pos ``(15,)``) of ``"word/POS"`` or of a (word, POS) pair."""
        word, pos = _split_token(token) if isinstance(token, str) else token
        kind = _VIP_CLASS.get(word, pos) if word in self._rows else "OTHER"
        kind = POS_CLASSES.index(kind) if kind in POS_CLASSES else -1
        return self._vectors[self._rows.get(word, self._rows["unk"])].copy(), self._one_hot[kind].copy()

    def encode_tokens(self, tokens: Sequence, *, max_tokens: int = 20) -> tuple[np.ndarray, np.ndarray, int]:
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

    def __repr__(self):
        return f"WordVectorizer({str(self.folder)!r}: {len(self)} words, {self.dim}-d)"


def _misfit(folder, expected, found):
    return FormatError("The word vector files do not fit.", where=folder, expected=expected, found=found)


def _split_token(token):
    parts = token.split("/")
    if len(parts) != 2:
        raise FormatError("A token is malformed.", expected="word/POS", found=repr(token))
    return parts


# -- Korean parts of speech ----------------------------------------------------------------


@cache
def load_kiwi():
    """Load the Korean analyser, once per process, with one worker so that results do not vary."""
    try:
        from kiwipiepy import Kiwi
    except ImportError as error:
        raise MissingDependencyError(
            "Korean sentences and parts of speech need kiwipiepy.", fix='pip install "ktube_motion[korean]"'
        ) from error
    return Kiwi(num_workers=1)


def readable(text):
    """Put a space for every character that Kiwi cannot read; places in the text stay."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


_CLASSES = {
    "NOUN": "NNG NNP NNB XR XSN SL SH",
    "PRON": "NP",
    "NUM": "NR SN W_SERIAL",
    "VERB": "VV XSV",
    "ADJ": "VA VCN XSA",
    "AUX": "VX VCP",
    "DET": "MM XPN",
    "ADV": "MAG MAJ XSM",
    "ADP": "JKS JKC JKG JKO JKB JKV JKQ JX JC",
    "OTHER": "IC UN SB W_URL W_EMAIL W_HASHTAG W_MENTION W_EMOJI",
}
_CLASS_OF = {tag: name for name, tags in _CLASSES.items() for tag in tags.split()}
_SUFFIXES = {"XSN", "XSV", "XSA", "XSM"}


def tag_korean(text: str) -> list[tuple[str, str]]:
    """Cut Korean text into words with the evaluators' parts of speech.

    Parameters
    ----------
    text : str

    Returns
    -------
    tokens : list of (word, POS)
        POS is one of VERB, NOUN, ADJ, ADV, PRON, NUM, DET, ADP, AUX, OTHER.
        Words hold no white space. Empty when nothing is a word.

    Raises
    ------
    MissingDependencyError
        If kiwipiepy is not installed.

    Notes
    -----
    Verbs and adjectives stand in their dictionary form (열었어요 → 열다), so endings are part of their stem and
    no words of their own; particles are ADP. Derived words stay whole (소개 + 하 → 소개하다/VERB, 학생 + 들 →
    학생들/NOUN), 이다 and auxiliary verbs are AUX, foreign words NOUN, exclamations OTHER. Punctuation and
    laughter signs (ㅋㅋ) are no words.

    Examples
    --------
    >>> tag_korean("오른손으로 문을 열었어요.")
    [('오른손', 'NOUN'), ('으로', 'ADP'), ('문', 'NOUN'), ('을', 'ADP'), ('열다', 'VERB')]
    """
    tokens: list[tuple[str, str]] = []
    end = -1  # where the last word ended
    for morpheme in load_kiwi().tokenize(readable(text), compatible_jamo=True):
        tag = morpheme.tag.partition("-")[0]
        kind = _CLASS_OF.get(tag)
        if kind is None:
            continue  # an ending or a sign
        word = morpheme.lemma if tag in ("VV", "VA", "VX", "VCP", "VCN") else morpheme.form
        if tag in ("XSV", "XSA"):
            word += "다"
        if tag in _SUFFIXES and tokens and morpheme.start == end:
            word = tokens.pop()[0] + word
        if word := "".join(word.split()):
            tokens.append((word, kind))
            end = morpheme.end
    return tokens


# -- Left and right ------------------------------------------------------------------------

# 오른 is also "risen" (값이 오른, 떠오른), so it counts only before what has a left and a right.
_SIDED = (
    "손|발|팔|다리|쪽|편|무릎|어깨|뺨|볼|눈|귀|주먹|엄지|검지|중지|약지|새끼|허벅지|종아리|정강이|옆구리|엉덩이|골반|"
    "가슴|뒤꿈치|방향|씨름|잡이|나사"
)
_SIDES = re.compile(
    rf"(?:왼|오른)(?={_SIDED})"
    r"|(?<![가-힣])(?:왼|오른)(?=\s+(?:손|발(?!걸음|자국|자취|길|표|언|전|상)|팔|다리|쪽|편|무릎|어깨|뺨|귀|주먹|방향))"
    r"|(?<![가-힣])[좌우](?=측|회전|상단|하단|로(?![가-힣]))"
    r"|(?<![가-힣])(?:좌향좌|우향우)"
    r"|(?<![가-힣])(?<!반 )반?시계(?=\s*(?:반대\s*)?방향)"
    r"|(?<![A-Za-z])(?:left|Left|LEFT|right|Right|RIGHT)(?![A-Za-z])"
    r"|(?<![A-Za-z])(?<!counter-)(?<!anti-)(?:(?:counter)?clockwise|C(?:ounterc)?lockwise)(?![A-Za-z])"
)
_PAIRS = (
    ("왼", "오른"), ("좌", "우"), ("좌향좌", "우향우"), ("시계", "반시계"), ("left", "right"), ("Left", "Right"),
    ("LEFT", "RIGHT"), ("clockwise", "counterclockwise"), ("Clockwise", "Counterclockwise"),
)  # fmt: skip
_OTHER_SIDE = dict(_PAIRS) | {right: left for left, right in _PAIRS}


def mirror_text(text: str) -> str:
    """Swap left and right, to caption a mirrored motion. Mirroring twice gives the text back.

    Parameters
    ----------
    text : str
        Korean or English.

    Returns
    -------
    text : str

    Notes
    -----
    Swapped: 왼손 ↔ 오른손 and every other side of the body, 좌측 ↔ 우측, 좌회전 ↔ 우회전, 시계 방향 ↔ 반시계 방향,
    left ↔ right and clockwise ↔ counterclockwise as whole words. Not touched: 좌우, 우리, 좌석, 떠오른, 오른다;
    anticlockwise, which has no twin.

    Examples
    --------
    >>> mirror_text("오른손을 들고 좌회전, 우리는 왼쪽을 봐요. Turn left!")
    '왼손을 들고 우회전, 우리는 오른쪽을 봐요. Turn right!'
    """
    return _SIDES.sub(lambda match: _OTHER_SIDE[match.group()], text)


def mirror_tokens(tokens: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Swap left and right in (word, POS) pairs; a lone 왼 or 오른 counts when it is no verb.

    Examples
    --------
    >>> mirror_tokens([("오른", "DET"), ("손", "NOUN"), ("왼쪽", "NOUN"), ("오르다", "VERB")])
    [('왼', 'DET'), ('손', 'NOUN'), ('오른쪽', 'NOUN'), ('오르다', 'VERB')]
    """
    return [
        (_OTHER_SIDE[word] if word in ("왼", "오른") and pos != "VERB" else mirror_text(word), pos)
        for word, pos in tokens
    ]
