"""Korean text cut into words with parts of speech."""

from functools import cache
from typing import Any

from ..errors import MissingDependencyError
from ..io._characters import normalize_text
from ._verbs import main_verbs

__all__ = ["load_kiwi", "readable", "tag_korean"]


@cache
def load_kiwi() -> Any:
    """Load the Korean analyser, once per process, with one worker so that results do not vary."""
    try:
        from kiwipiepy import Kiwi
    except ImportError as error:
        raise MissingDependencyError(
            "Korean sentences and parts of speech need kiwipiepy.", fix='pip install "ktube_motion[korean]"'
        ) from error
    return Kiwi(num_workers=1)


def readable(text: str) -> str:
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
    laughter signs (ㅋㅋ) are no words. A verb is auxiliary only behind a main verb; verbs that lose their ㄹ
    (드는, 도는, 여는) are told from their twins by what they stand with.

    Examples
    --------
    >>> tag_korean("오른손으로 문을 열었어요.")
    [('오른손', 'NOUN'), ('으로', 'ADP'), ('문', 'NOUN'), ('을', 'ADP'), ('열다', 'VERB')]
    >>> tag_korean("손을 드는 사람")
    [('손', 'NOUN'), ('을', 'ADP'), ('들다', 'VERB'), ('사람', 'NOUN')]
    """
    tokens: list[tuple[str, str]] = []
    end = -1  # where the last word ended
    morphemes = load_kiwi().tokenize(readable(normalize_text(text)), compatible_jamo=True)
    verbs = main_verbs(morphemes)
    for i, morpheme in enumerate(morphemes):
        tag = morpheme.tag.partition("-")[0]
        kind = "VERB" if i in verbs else _CLASS_OF.get(tag)
        if kind is None or (i - 1 in verbs and tag in ("JX", "VCP")):
            continue  # an ending or a sign
        word = morpheme.lemma if tag in ("VV", "VA", "VX", "VCP", "VCN") else morpheme.form
        word = verbs.get(i, word)
        if tag in ("XSV", "XSA"):
            word += "다"
        if tag in _SUFFIXES and tokens and morpheme.start == end:
            word = tokens.pop()[0] + word
        if word := "".join(word.split()):
            tokens.append((word, kind))
            end = morpheme.end
    return tokens
