"""Small pictures for the report, drawn as SVG by hand: they need no font and no library."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from .. import palette

__all__ = ["bar_list", "histogram", "stick_figures"]

WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 460, 170, 44, 34, 22
COLOURS = (palette.RIGHT, palette.LEFT)
SIDES = {"left": palette.LEFT, "right": palette.RIGHT}


def histogram(
    series: Mapping[str, Sequence[float] | np.ndarray], *, label: str, bins: int = 30, top: float | None = None
) -> str:
    """Draw one or two histograms of numbers from 0 on; values above `top` fall into the last bin."""
    values = [np.asarray(numbers, float) for numbers in series.values()]
    whole = np.concatenate(values)
    if not len(whole):
        return "<p>No data.</p>"
    low, high = 0.0, _round_up(float(whole.max()) if top is None else top)
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(np.clip(numbers, low, high), edges)[0] for numbers in values]
    tallest = max(1, *(int(count.max()) for count in counts))
    step = (WIDTH - LEFT - 8) / bins
    parts = []
    for k, count in enumerate(counts):
        for i in np.flatnonzero(count):
            height = HEIGHT * count[i] / tallest
            parts.append(
                f'<rect x="{LEFT + i * step:.1f}" y="{ABOVE + HEIGHT - height:.1f}" width="{max(step - 1, 1):.1f}" '
                f'height="{height:.1f}" fill="{COLOURS[k]}" opacity="{1 if len(counts) == 1 else 0.6}"/>'
            )
        if len(counts) > 1:
            name = escape(list(series)[k])
            parts.append(f'<text x="{WIDTH - 10}" y="{ABOVE + 14 + 18 * k}" fill="{COLOURS[k]}" '
                         f'text-anchor="end">{name}</text>')  # fmt: skip
    return _frame(parts, low, high, tallest, label, float(whole.max()) > high)


def _round_up(number: float) -> float:
    """Give the next number whose quarters are short to write."""
    scale = 10.0 ** math.floor(math.log10(number)) if number > 0 else 1.0
    return next(scale * step for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if scale * step >= number)


def _frame(parts: list[str], low: float, high: float, tallest: int, label: str, cut: float) -> str:
    bottom = ABOVE + HEIGHT
    most = str(tallest) if tallest < 10_000 else f"{tallest / 1000:.0f}k"
    parts += [
        f'<path d="M{LEFT} {ABOVE}V{bottom}H{WIDTH - 8}" fill="none" stroke="{palette.SOFT}"/>',
        f'<text x="{LEFT - 6}" y="{ABOVE + 10}" text-anchor="end">{most}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, more = LEFT + share * (WIDTH - LEFT - 8), "+" if cut and share == 1 else ""
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        parts.append(
            f'<text x="{x:.0f}" y="{bottom + 15}" text-anchor="{anchor}">{low + share * (high - low):.3g}{more}</text>'
        )
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{bottom + 31}" text-anchor="middle">{escape(label)}</text>')
    return _svg(parts, WIDTH, bottom + BELOW + 4, label)


def bar_list(counts: list[tuple[str, int]]) -> str:
    """Draw a word and its count a line."""
    most = max((count for _, count in counts), default=1)
    rows = (
        f'<div class="bar"><span>{escape(word)}</span><i style="width:{max(100 * count / most, 0.5):.1f}%"></i>'
        f"<b>{count}</b></div>"
        for word, count in counts
    )
    return f'<div class="bars">{"".join(rows)}</div>'


def stick_figures(
    frames: Sequence[np.ndarray], parents: Sequence[int], names: Sequence[str], *, title: str, size: int = 150
) -> str:
    """Draw some frames ``(J, 3)`` of one clip side by side, from the front, left limbs orange, right ones blue."""
    points = np.stack(frames).astype(float)
    low, high = points.min((0, 1)), points.max((0, 1))
    middle = (low + high) / 2
    scale = (size - 16) / max(float((high - low)[:2].max()), 0.1)
    parts = []
    for k, frame in enumerate(points):
        # Facing the reader, the body's left (+x) lies on the right of the picture.
        x = size * (k + 0.5) + scale * (frame[:, 0] - middle[0])
        y = size / 2 - scale * (frame[:, 1] - middle[1])
        for joint, parent in enumerate(parents):
            if parent >= 0:
                colour = SIDES.get(names[joint].split("_")[0], palette.MIDDLE)
                parts.append(
                    f'<line x1="{x[parent]:.1f}" y1="{y[parent]:.1f}" x2="{x[joint]:.1f}" y2="{y[joint]:.1f}" '
                    f'stroke="{colour}" stroke-width="2.5" stroke-linecap="round"/>'
                )
        if "head" in names:
            head = names.index("head")
            parts.append(
                f'<circle cx="{x[head]:.1f}" cy="{y[head]:.1f}" r="{0.09 * scale:.1f}" fill="{palette.MIDDLE}"/>'
            )
    return _svg(parts, size * len(points), size, title)


def _svg(parts: Iterable[str], width: float, height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{"".join(parts)}</svg>'
    )
