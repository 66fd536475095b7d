"""The colours of every picture: left is orange and right is blue, in videos, pages, reports and plots alike.

Orange and blue are told apart by the colour-blind too.
"""

__all__ = ["GRID", "INK", "LEFT", "MIDDLE", "PAPER", "PLATE", "RIGHT", "ROWS", "SKIN", "SOFT", "TRAIL", "rgb"]

LEFT, RIGHT, MIDDLE = "#e65c33", "#2173d1", "#384052"  # limbs of the body, trunk and head
INK, SOFT, PAPER, GRID = "#20242c", "#6b7280", "#f6f7f9", "#ccd1db"
SKIN = "#ecd6c2"  # the face of the body
PLATE, TRAIL = "#181b22", "#8c73cc"  # behind subtitles; the path of the root

# The rows of an evaluation.
ROWS = {
    "real": RIGHT,
    "reconstructed": "#3aa6a0",
    "generated": LEFT,
    "noise": "#b58bc9",
    "shuffled": "#b03a52",
    "chance": "#9a9a9a",
}


def rgb(colour: str) -> tuple[float, float, float]:
    """Give red, green and blue from 0 to 1 of a colour as ``#rrggbb``.

    Examples
    --------
    >>> rgb("#ff8000")[0], round(rgb("#ff8000")[1], 2)
    (1.0, 0.5)
    """
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
