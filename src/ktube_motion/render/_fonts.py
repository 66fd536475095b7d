"""A Korean font that really has the glyphs, and text drawn with it."""

import base64
import io
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, MissingDependencyError
from ..palette import INK, PLATE, rgb

__all__ = [
    "draw_subtitle",
    "draw_text",
    "embed_font",
    "find_korean_font",
    "missing_glyphs",
    "need",
    "paste",
    "titles_for",
    "wrap_text",
]

_INK, _PLATE = (tuple(round(255 * part) for part in rgb(colour)) for colour in (INK, PLATE))

_SAID, _NOW, _TO_COME = (255, 255, 255), (255, 181, 156), (154, 163, 181)  # words of a subtitle

# Fonts that systems ship for Korean; the first one found wins.
_KNOWN = "pretendard notosanscjk notosanskr nanumgothic nanumbarungothic malgun applesdgothic unbatang".split()
_MOST = 4  # times `max_lines` that a text may have in the end
_PROBE = "가나다라힣한국어 ABCxyz 0123?!.,"


def need(module: str, extra: str = "render") -> Any:
    """Import an optional module or say how to install it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"This needs {module.split('.')[0]}.", fix=f'Run: pip install "ktube_motion[{extra}]"'
        ) from error


@lru_cache(maxsize=32)
def _characters(path: str) -> frozenset[int]:
    """Give the code points a font file has glyphs for."""
    fonts = need("fontTools.ttLib")
    with fonts.TTFont(path, fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap())


def missing_glyphs(text: str, font: str | Path) -> str:
    """Give the characters of `text` that `font` would draw as boxes.

    Parameters
    ----------
    text : str
    font : path
        A TrueType or OpenType file.

    Returns
    -------
    missing : str
        Each missing character once, in order.

    Examples
    --------
    >>> missing_glyphs("안녕하세요 hello", find_korean_font())
    ''
    """
    known = _characters(str(font))
    return "".join(dict.fromkeys(letter for letter in text if not letter.isspace() and ord(letter) not in known))


@lru_cache(maxsize=1)
def find_korean_font() -> Path:
    """Find a font with Hangul: the system's own, else the NanumGothic of koreanize-matplotlib.

    Returns
    -------
    path : Path
        A font file that has every glyph of Korean and ASCII text.

    Raises
    ------
    MissingDependencyError
        If neither is there.

    Examples
    --------
    >>> find_korean_font().suffix in (".ttf", ".ttc", ".otf")
    True
    """
    manager = need("matplotlib.font_manager")
    found = {Path(path).stem.lower().replace("-", "").replace(" ", ""): path for path in manager.findSystemFonts()}
    plain = lambda stem: "bold" in stem or "italic" in stem or "light" in stem or "mono" in stem  # noqa: E731
    for known in _KNOWN:
        for stem in sorted((stem for stem in found if stem.startswith(known)), key=lambda stem: (plain(stem), stem)):
            if not missing_glyphs(_PROBE, found[stem]):
                return Path(found[stem])
    if (font := _free_font()) is not None:
        return font
    raise MissingDependencyError(
        "No Korean font was found.", fix='Run: apt-get install fonts-nanum, or: pip install "ktube_motion[render]"'
    )


def _free_font() -> Path | None:
    """Give the NanumGothic (Open Font License) of koreanize-matplotlib, or None."""
    from importlib.util import find_spec

    # The package changes matplotlib's settings when imported, so only its folder is looked up.
    package = find_spec("koreanize_matplotlib")
    font = (
        None if package is None or package.origin is None else Path(package.origin).parent / "fonts" / "NanumGothic.ttf"
    )
    return font if font is not None and font.is_file() else None


def embed_font(text: str) -> str:
    """Give the letters of `text` as a small WOFF font in base64, for a page that must show Korean anywhere.

    Parameters
    ----------
    text : str

    Returns
    -------
    font : str
        Empty where koreanize-matplotlib is not installed: the page then uses
        the fonts of the machine that shows it.

    Examples
    --------
    >>> len(embed_font("안녕")) < 20_000
    True
    """
    font = _free_font()
    if font is None:
        return ""
    subset = need("fontTools.subset")
    tools = [f"TSI{k}" for k in range(6)]  # the font maker's sources, of no use in a page
    options = subset.Options(flavor="woff", hinting=False, layout_features=["kern"], notdef_outline=True)
    options.drop_tables += tools
    out = io.BytesIO()
    with subset.load_font(str(font), options) as loaded:
        small = subset.Subsetter(options)
        small.populate(text=text.encode("utf-8", "ignore").decode())  # half a surrogate pair has no glyph
        small.subset(loaded)
        loaded.flavor = "woff"
        loaded.save(out)
    return base64.b64encode(out.getvalue()).decode("ascii")


@lru_cache(maxsize=64)
def _font(path: str | Path, size: int) -> Any:
    return need("PIL.ImageFont").truetype(str(path), size)


def wrap_text(text: str, width: float, *, font_size: int, font: str | Path | None = None) -> list[str]:
    """Break `text` into lines no wider than `width` pixels, at spaces where it can.

    Parameters
    ----------
    text : str
        Line ends in it are kept.
    width : float
        Pixels.
    font_size : int
        Pixels.
    font : path, optional
        Default `find_korean_font`.

    Returns
    -------
    lines : list of str

    Raises
    ------
    ConfigError
        If not even one letter fits.

    Examples
    --------
    >>> wrap_text("여러분 안녕하세요", 130, font_size=24)
    ['여러분', '안녕하세요']
    """
    measure = _font(font or find_korean_font(), font_size).getlength
    lines = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            if line and measure(f"{line} {word}") > width:
                lines.append(line)
                line = ""
            line = f"{line} {word}" if line else word
            while measure(line) > width:  # a word longer than the line breaks between letters
                cut = bisect_right(range(1, len(line) + 1), width, key=lambda count: measure(line[:count]))
                if cut == 0:
                    raise ConfigError("The picture is too narrow for its text.", found=f"{width:.0f} pixels")
                lines.append(line[:cut])
                line = line[cut:]
        lines.append(line)
    return lines


def draw_text(
    text: str,
    width: int,
    *,
    font_size: int,
    color: tuple[int, ...] = _INK,
    plate: tuple[int, ...] | None = None,
    word_colors: Sequence[tuple[int, ...]] | None = None,
    max_lines: int = 4,
    font: str | Path | None = None,
) -> np.ndarray:
    """Draw wrapped, centred text.

    Parameters
    ----------
    text : str
        A character the font lacks is left out with a warning: never a box.
    width : int
        Width of the picture in pixels.
    font_size : int
        Pixels; made smaller until `max_lines` suffice, down to half.
    color : tuple of int
        RGB, 0 to 255.
    plate : tuple of int, optional
        RGBA of a rounded plate behind the text.
    word_colors : sequence of tuple of int, optional
        RGB of each word, instead of `color`.
    max_lines : int
        Of a text that needs more than four times as many, even so, the end is left out with a warning.
    font : path, optional
        Default `find_korean_font`.

    Returns
    -------
    picture : uint8 array [shape=(height, width, 4)]
        RGBA, transparent where there is nothing.

    Examples
    --------
    >>> draw_text("안녕하세요", 200, font_size=24).shape[1:]
    (200, 4)
    """
    image_module, draw_module = need("PIL.Image"), need("PIL.ImageDraw")
    font = font or find_korean_font()
    missing = missing_glyphs(text, font)
    if missing:
        warnings.warn(f"{Path(font).name} has no glyph for {missing!r}: left out.", stacklevel=2)
        text = "".join(letter for letter in text if letter not in missing)
    margin = font_size // 2
    smallest = max(font_size // 2, 8)
    while len(lines := wrap_text(text, width - 2 * margin, font_size=font_size, font=font)) > max_lines:
        if font_size <= smallest:
            break
        font_size -= 1
    face = _font(font, font_size)
    if len(lines) > _MOST * max_lines:
        warnings.warn(f"A text of {len(text)} letters does not fit its picture: its end is left out.", stacklevel=2)
        lines = lines[: _MOST * max_lines]
        lines[-1] = f"{lines[-1][:-1]}…"
    step = round(font_size * 1.35)
    height = step * len(lines) + margin
    picture = image_module.new("RGBA", (width, height), (*color, 0))
    draw = draw_module.Draw(picture)
    if plate is not None and any(lines):
        half = max(face.getlength(line) for line in lines) / 2 + margin * 0.9
        box = (width / 2 - half, 0, width / 2 + half, height - 1)
        draw.rounded_rectangle(box, radius=margin, fill=plate)
    paints = iter(word_colors or ())
    for k, line in enumerate(lines):
        x, y = (width - face.getlength(line)) / 2, margin / 2 + (k + 0.5) * step
        for piece in [line] if word_colors is None else line.split():
            draw.text((x, y), piece, font=face, fill=(*next(paints, color), 255), anchor="lm")
            x += face.getlength(f"{piece} ")
    return np.asarray(picture)


def draw_subtitle(text: str, width: int, writing: int, *, begun: int | None = None) -> np.ndarray:
    """Draw white words on a dark plate; `writing` is the font size of the titles.

    Of a text of which `begun` words have begun, the last of these is warm, and those to come are dim.
    """
    lit = None
    if begun is not None:
        lit = [_SAID] * (begun - 1) + [_NOW] * (begun > 0) + [_TO_COME] * (len(text.split()) - begun)
    size = round(writing * 1.2)
    return draw_text(text, width, font_size=size, color=_SAID, plate=(*_PLATE, 205), word_colors=lit)


def paste(pixels: np.ndarray, picture: np.ndarray, top: int) -> None:
    """Lay an RGBA picture of full width over `pixels` at row `top`."""
    columns = np.flatnonzero(picture[..., 3].any(0))
    if len(columns) == 0:
        return
    wide = slice(columns[0], columns[-1] + 1)
    picture, top = picture[max(-top, 0) : max(len(pixels) - top, 0), wide], max(top, 0)
    under = pixels[top : top + len(picture), wide, :3]
    share = picture[..., 3:].astype(np.uint16)
    under[:] = (under * (255 - share) + picture[..., :3] * share) // 255


def titles_for(titles: str | Sequence[str] | None, clips: Sequence[object]) -> list[str]:
    """Give one title for each motion: those given, else the motions' names."""
    if titles is None:
        return [getattr(clip, "name", "") for clip in clips]
    titles = [titles] if isinstance(titles, str) else list(titles)
    if len(titles) != len(clips):
        raise ConfigError("There must be one title for each motion.", expected=len(clips), found=len(titles))
    return titles
