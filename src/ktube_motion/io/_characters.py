"""One spelling for all rooms: composed Hangul, no invisible characters, Latin letters of one width."""

import re
import unicodedata

__all__ = ["normalize_text", "visible_text"]

# Format characters (Cf), the fillers that count as letters (U+115F, U+1160, U+3164, U+FFA0), the combining grapheme
# joiner and the vowel separators: all take no room, and make two words of one look different.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# The zero-width joiner holds emoji together, and elsewhere is as empty as the rest.
_JOINER = re.compile(
    "(?<![\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d|\u200d(?![\u2190-\u2bff\U0001f000-\U0001faff])"
)
_BLANK = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800]"
)
_BREAK = re.compile("\r\n?|[\u2028\u2029]")
_ORDINARY = re.compile("[\n\t -~가-힣ㄱ-ㅎㅏ-ㅣ·…“”‘’]*")  # nothing to do; nearly every line is so
_WIDTHS = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}


def visible_text(text: str) -> str:
    """Compose Hangul, remove invisible characters, put a space for controls and odd spaces; ``\\n`` and ``\\t`` stay.

    Examples
    --------
    >>> visible_text("\\u200e오른\\u200b손")
    '오른손'
    """
    if _ORDINARY.fullmatch(text):
        return text
    text = _BLANK.sub(" ", _BREAK.sub("\n", text))
    text = _JOINER.sub("", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text)


def normalize_text(text: str) -> str:
    """Bring a text into the one form in which all rooms compare and read it.

    Parameters
    ----------
    text : str

    Returns
    -------
    text : str
        NFC; without zero-width characters, fillers (U+3164 and its kin), direction marks and byte order
        marks; Latin letters, digits and signs of ordinary width; a plain space for every control
        character, half surrogate and unusual space. Line breaks, tabs and joined emoji stay.

    Notes
    -----
    macOS writes file names and much text decomposed, so that 손 has three characters there; web pages
    hide zero-width spaces in words. Normalising twice changes nothing more.

    Examples
    --------
    >>> import unicodedata
    >>> normalize_text(unicodedata.normalize("NFD", "오른손\\u3164")) == "오른손"
    True
    >>> normalize_text("ＭＣ：１２시！")
    'MC:12시!'
    """
    return text if _ORDINARY.fullmatch(text) else visible_text(text).translate(_WIDTHS)
