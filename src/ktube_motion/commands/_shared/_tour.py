"""What quickstart leaves, on one page: what was said, how good it is, where everything lies, what to try next."""

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ... import palette
from ...io._files import write_text
from ...render._fonts import embed_font
from ._language import speaks_korean, told
from ._places import command_line

if TYPE_CHECKING:
    from ...evaluation import Report

__all__ = ["next_commands", "write_tour"]

_STYLE = f"""
:root {{ --line: {palette.GRID}; --soft: {palette.SOFT} }}
body {{ font: 16px/1.6 "KTube", "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic Neo", NanumGothic, sans-serif;
  max-width: 1100px; margin: 2rem auto; padding: 0 1rem; color: {palette.INK}; background: #fff }}
h1 {{ font-size: 1.7rem }} h2 {{ font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line) }}
.grid {{ display: flex; flex-wrap: wrap; gap: 1.2rem }} figure {{ margin: 0; width: 340px }}
iframe {{ width: 340px; height: 380px; border: 1px solid var(--line) }} video {{ max-width: 100% }}
figcaption, .soft {{ color: var(--soft) }} pre {{ background: #f4f5f7; padding: .8rem 1rem; overflow-x: auto;
  font-family: Consolas, Menlo, "DejaVu Sans Mono", "KTube", monospace }}
table {{ border-collapse: collapse; font-size: 14px; display: block; overflow-x: auto }}
td, th {{ padding: 3px 12px 3px 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap }}
"""

# What lies in the folder, and what it is.
_PLACES = {
    "KTubeUM": "the corpus: motion vectors, texts, words in time, splits",
    "videos": "the poses and subtitles it was built from",
    "tokenizer": "motion to tokens and back: training's files, best_fid/ and last/",
    "transformer": "words to tokens",
    "evaluator": "a judge of motion and sentence",
    "judge": "a judge of motion and words in time",
    "pipeline": "all that is needed to speak: what generate --pipeline takes",
    "evaluation": "the reports in full",
    "summary.txt": "the table of this page",
}


def next_commands(output: Path) -> dict[str, str]:
    """Give what to try next, each with its command."""
    pipeline, corpus = (output / name for name in ("pipeline", "KTubeUM"))
    say = ("generate", "--pipeline", pipeline.as_posix())
    return {
        "your own sentence": command_line(*say, "--say", "왼쪽을 한번 봐 주세요.", "--output", "left.html"),
        "a whole talk, from its subtitles": command_line(*say, "--talk", "lecture.srt", "--output", "talk.mp4"),
        "for Blender, Unity or a browser": command_line(*say, "--say", "안녕하세요.", "--output", "hello.glb"),
        "clips of the corpus": command_line("animate", "--root", corpus.as_posix(), "--split", "val", "--gallery"),
        "your own videos": command_line("build", "--poses", "pose_json", "--transcripts", "subtitles"),
        "the original's steps, training among them": command_line("train-vq", "--help"),
    }


def write_tour(
    output: Path, said: Sequence[str], summary: str, reports: "Mapping[str, Report]", root: Path | None = None
) -> Path:
    """Write ``index.html`` into the folder of a quick start.

    Parameters
    ----------
    output : path
        The folder, with the viewers ``say_0.html`` and so on.
    said : sequence of str
        The sentences, in that order.
    summary : str
        The table at the end of the run.
    reports : dict of str to Report
    root : path, optional
        What commands on the page are run from; by default the folder they were run in now.

    Returns
    -------
    path : Path
    """
    sections = [
        ("What it says", _viewers(output, said)),
        ("The speaker that comes with the library", _video(output / "sample_speaker.mp4")),
        ("Real and generated", _video(output / "real_and_generated.mp4")),
        ("How good it is", f"<pre>{escape(summary)}</pre>" + "".join(map(_table, reports.values()))),
        ("The corpus", _corpus(output / "KTubeUM" / "report.html")),
        ("What lies where", _places(output)),
        ("What to try next", _next(output, root)),
    ]
    body = "".join(f"<h2>{told(title)}</h2>{content}" for title, content in sections if content)
    intro = told("Korean sentences, and what the models that were just trained make of them. Drag a figure to turn it.")
    language, title = "ko" if speaks_korean() else "en", told("Quick start")
    page = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>ktube_motion: {title}</title><style>{_font(title + intro + body)}{_STYLE}</style>"
        f'<h1>{title}</h1><p class="soft">{intro}</p>{body}</html>\n'
    )
    write_text(output / "index.html", page)
    return output / "index.html"


def _font(body: str) -> str:
    """Bring the Hangul of the page along, for machines that have none."""
    hangul = "".join(sorted(set(re.findall("[\u3130-\u318f\uac00-\ud7a3]", body))))
    source = f"data:font/woff;base64,{embed_font(hangul)}"
    return f'@font-face {{ font-family: "KTube"; src: url("{source}"); unicode-range: U+3130-318F, U+AC00-D7AF }}'


def _viewers(output: Path, said: Sequence[str]) -> str:
    shown = [(number, text) for number, text in enumerate(said) if os.path.exists(output / f"say_{number}.html")]
    return '<div class="grid">' + "".join(
        f'<figure><iframe src="say_{number}.html" title="{escape(text, quote=True)}" loading="lazy"></iframe>'
        f'<figcaption lang="ko">{escape(text)} · <a href="say_{number}.html">{told("alone")}</a> · '
        f'<a href="say_{number}.mp4">{told("video")}</a></figcaption></figure>'
        for number, text in shown
    ) + "</div>"  # fmt: skip


def _video(path: Path) -> str:
    return f'<video controls muted src="{path.name}"></video>' if os.path.exists(path) else ""


def _table(report: "Report") -> str:
    lines = [line for line in report.to_markdown().splitlines() if line.startswith("|") and not line.startswith("|---")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    cells = ["".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
             for tag, row in zip(["th", *["td"] * len(rows)], rows, strict=False)]  # fmt: skip
    title = report.to_markdown().splitlines()[0].lstrip("# ")
    return f"<h3>{escape(title)}</h3><table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _corpus(path: Path) -> str:
    if not os.path.exists(path):
        return ""
    shows = told("durations, speech rate, jitter, what was left out and why")
    return f'<p><a href="KTubeUM/report.html">{told("Its report")}</a>: {shows}.</p>'


def _places(output: Path) -> str:
    rows = [
        f'<tr><td><a href="{name}">{name}</a></td><td>{told(what)}</td></tr>'
        for name, what in _PLACES.items()
        if os.path.exists(output / name)
    ]
    where = f"<code>{escape(str(output.resolve()))}</code>"
    return f"<p>{told('Everything is in')} {where}</p><table>{''.join(rows)}</table>"


def _next(output: Path, root: Path | None) -> str:
    where = escape(str((root or Path.cwd()).resolve()))
    lines = "".join(
        f"<p>{escape(told(what))}:</p><pre>{escape(line)}</pre>" for what, line in next_commands(output).items()
    )
    return f'<p class="soft">{told("Run in")} <code>{where}</code></p>{lines}'
