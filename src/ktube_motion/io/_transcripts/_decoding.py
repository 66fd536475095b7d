"""From the bytes of a transcript to its text: Korean encodings, and what damage leaves."""

import re
from pathlib import Path

from ...errors import FormatError

__all__ = ["DAMAGE", "decode"]

DAMAGE = "\ufffd"  # stands where bytes could not be read
_HANGUL = re.compile("[가-힣\u1100-\u11ff]")
_KANA = re.compile("[ぁ-ヿ]")
# The commonest syllables: two fifths and more of any Korean text, and next to none of what is decoded wrongly.
_COMMON = frozenset(
    "이다는을의에고하지가한로도를기은사어나그리해대서시자인들일있아라게정안보만수니요네여으제면습까조전"
)
_SHIFTS = b"\x1b$)C"  # ISO-2022-KR announces itself
_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# How files begin that hold no text, and the way out.
_BINARY = {
    b"PK\x03\x04": ("a zip archive (Word, Excel, HWPX or subtitles packed together)", "Unpack it, or save it as text."),
    b"%PDF": ("a PDF", "Save its text with the times as .txt or .srt."),
    b"\xd0\xcf\x11\xe0": ("an old Office or HWP document", "Save it as text (.txt, UTF-8)."),
    b"PG": ("Blu-ray subtitles, which are pictures", "Read them with Subtitle Edit's OCR and save .srt."),
    b"\x00\x00\x01\xba": ("VobSub subtitles, which are pictures", "Read them with Subtitle Edit's OCR and save .srt."),
    b"\x1f\x8b": ("a gzip archive", "Unpack it."),
    b"Rar!": ("a RAR archive", "Unpack it."),
    b"7z\xbc\xaf": ("a 7z archive", "Unpack it."),
    b"RIFF": ("sound or video", "Transcribe it, for example with Whisper, and give its .json or .srt."),
    b"ID3": ("sound", "Transcribe it, for example with Whisper, and give its .json or .srt."),
    b"\x1aE\xdf\xa3": ("a Matroska video", "Take its subtitles out: ffmpeg -i FILE -map 0:s:0 talk.srt"),
}


def decode(data: bytes, path: str | Path) -> tuple[str, str, list[str]]:
    """Give the text of a file, its encoding, and what is to be told; ``DAMAGE`` stands where bytes are broken.

    Raises
    ------
    FormatError
        If the bytes are no text, or text in no encoding that is known here.
    """
    for start, (found, fix) in _BINARY.items():
        if data.startswith(start) and (b"\0" in data[:4096] or start != b"PG"):
            raise FormatError("This is no transcript.", where=path, expected="text", found=found, fix=fix)
    if data[4:8] == b"ftyp":
        fix = "Take its subtitles out: ffmpeg -i FILE -map 0:s:0 talk.srt"
        raise FormatError("This is no transcript.", where=path, expected="text", found="an MP4 video", fix=fix)
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), None) or _wide(data)
    if encoding not in (None, "utf-8-sig"):
        return _lenient(data, encoding, path)
    if _SHIFTS in data[:4096]:
        return _lenient(data, "iso2022_kr", path)
    try:
        return data.decode("utf-8-sig"), "utf-8", []
    except UnicodeDecodeError:
        pass  # damaged, or another encoding: found out below
    return _without_mark(data, path)


def _wide(data: bytes) -> str | None:
    """Tell UTF-16 without a byte order mark by where its zero bytes stand."""
    head = data[:2000]
    if len(head) < 4 or b"\0" not in head:
        return None
    even, odd = (head[side::2].count(0) / (len(head) // 2) for side in (0, 1))
    if max(even, odd) < 0.2 or min(even, odd) > 0.02:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _without_mark(data: bytes, path: str | Path) -> tuple[str, str, list[str]]:
    text = data.decode("utf-8", "replace")
    broken = text.count(DAMAGE) - data.count(DAMAGE.encode())
    # Korean in CP949 read as UTF-8 gives no Hangul at all; damaged UTF-8 keeps most of its own.
    if len(_HANGUL.findall(text)) >= broken:
        return _lenient(data, "utf-8", path)
    found = {encoding: _likeness(data.decode(encoding, "replace"), encoding) for encoding in _GUESSES}
    best = max(found, key=found.__getitem__)
    if found[best] > 0:
        return _lenient(data, best, path)
    fix = "Convert it to UTF-8, for example in an editor's “Save as”."
    raise FormatError("This is not text in a known encoding.", where=path, expected="UTF-8, UTF-16 or CP949", fix=fix)


_GUESSES = ("cp949", "johab", "shift_jis")


def _likeness(text: str, encoding: str) -> float:
    """Say how much a text looks like its language: 0 for what does not, a little for the right letters only."""
    foreign = sum(letter > "\x7f" for letter in text)
    letters = (_KANA if encoding == "shift_jis" else _HANGUL).findall(text)
    if len(letters) <= max(foreign / 3, 2 * text.count(DAMAGE)):
        return 0.0
    common = len(letters) if encoding == "shift_jis" else sum(letter in _COMMON for letter in letters)
    return (common + 0.01 * len(letters) * (encoding == "cp949")) / foreign


def _lenient(data: bytes, encoding: str, path: str | Path) -> tuple[str, str, list[str]]:
    text = data.decode(encoding, "replace")
    notes = []
    whole = text.rstrip().rstrip(DAMAGE)
    if text.rstrip() != whole and DAMAGE not in whole:  # only the end is missing
        text = whole
        notes.append(f"{path}: The file is cut off in the middle of its last letter.")
    elif DAMAGE in text:
        notes.append(f"{path}: {text.count(DAMAGE)} places cannot be read as {encoding}; their cues are left out.")
    if encoding == "shift_jis":
        notes.append(f"{path}: This text is Japanese (Shift-JIS).")
    return text, encoding, notes
