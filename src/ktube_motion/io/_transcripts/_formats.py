"""The table of transcript formats: a new one is a module with a reader, and a line here."""

from . import _blocks as blocks
from . import _json_layouts as json_layouts
from . import _markup as markup
from . import _stamped as stamped
from . import _tiers as tiers
from ._page import Page, TranscriptFormat

__all__ = ["TRANSCRIPT_FORMATS", "find_format"]

#: Formats by name, in the order in which content is looked at. Put one in to read more (the last is asked first):
#: ``TRANSCRIPT_FORMATS["mine"] = TranscriptFormat(read, detect, ("mine",))``.
TRANSCRIPT_FORMATS: dict[str, TranscriptFormat] = {
    "table": TranscriptFormat(stamped.read_table, stamped.detect_table, ("tsv", "csv")),
    "stamped": TranscriptFormat(stamped.read_stamped, stamped.detect_stamped, ("txt", "text")),
    "sbv": TranscriptFormat(blocks.read_sbv, blocks.detect_sbv, ("sbv",)),
    "srt": TranscriptFormat(blocks.read_srt, blocks.detect_srt, ("srt",)),
    "bracketed": TranscriptFormat(blocks.read_bracketed, blocks.detect_bracketed),
    "microdvd": TranscriptFormat(stamped.read_microdvd, stamped.detect_microdvd, ("sub",)),
    "lrc": TranscriptFormat(stamped.read_lrc, stamped.detect_lrc, ("lrc",)),
    "ass": TranscriptFormat(markup.read_ass, markup.detect_ass, ("ass", "ssa")),
    "sami": TranscriptFormat(markup.read_sami, markup.detect_sami, ("smi", "sami")),
    "ttml": TranscriptFormat(markup.read_ttml, markup.detect_ttml, ("ttml", "dfxp", "itt")),
    "youtube": TranscriptFormat(markup.read_youtube_xml, markup.detect_youtube_xml, ("srv1", "srv2", "srv3", "ytt")),
    "elan": TranscriptFormat(tiers.read_elan, tiers.detect_elan, ("eaf",)),
    "textgrid": TranscriptFormat(tiers.read_textgrid, tiers.detect_textgrid, ("textgrid",)),
    "json": TranscriptFormat(json_layouts.read_json_layout, json_layouts.detect_json, ("json", "jsonl")),
    "json3": TranscriptFormat(json_layouts.read_json3, json_layouts.detect_json3, ("json3",)),
    "vtt": TranscriptFormat(blocks.read_vtt, blocks.detect_vtt, ("vtt",)),
}

_OTHERS = {
    "docx": "Save it as text.", "hwp": "Save it as text.", "hwpx": "Save it as text.", "pdf": "Save its text.",
    "xlsx": "Save it as CSV.", "scc": "Convert it: ffmpeg -i FILE.scc talk.srt", "stl": "Convert it in Subtitle Edit.",
    "sup": "Read the pictures with Subtitle Edit's OCR.", "idx": "Read the pictures with Subtitle Edit's OCR.",
    "xml": "Save it as .srt, .vtt or .ttml.",
}  # fmt: skip


def find_format(page: Page) -> str:
    """Name the format of a page by what it holds, and by the file's suffix where that does not tell."""
    for name, kind in reversed(TRANSCRIPT_FORMATS.items()):
        if kind.detect(page):
            return name
    for name, kind in TRANSCRIPT_FORMATS.items():
        if page.suffix in kind.suffixes and name not in ("stamped", "table"):
            return name
    raise page.error(
        "The format of this transcript is unknown.",
        expected=", ".join(TRANSCRIPT_FORMATS),
        found=repr(page.text.lstrip()[:40]),
        fix=_OTHERS.get(
            page.suffix, "Name it with format=, or save it as .srt, .vtt or a table with start, end and text."
        ),
    )
