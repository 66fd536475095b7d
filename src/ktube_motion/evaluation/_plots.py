"""Pictures of reports: bars with intervals, confusions, and what an evaluator notices."""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import palette
from ..errors import MissingDependencyError
from ..io._files import atomic_path
from ..metrics.functional import ClassReport
from ._registry import columns, label

if TYPE_CHECKING:
    from ._report import Interval
    from ._trust import Curve

__all__ = ["can_draw", "plot_confusion", "plot_report", "plot_trust"]

_SECOND, _DARK, _PALE = palette.LEFT, palette.INK, palette.GRID


def can_draw() -> bool:
    """Tell whether matplotlib is installed, and warn if it is not."""
    found = all(find_spec(name) for name in ("matplotlib", "koreanize_matplotlib"))
    if not found:
        warnings.warn('No pictures: run pip install "ktube_motion[render]" for them.', stacklevel=3)
    return found


def _style() -> dict[Any, Any]:
    """Give matplotlib's settings for all pictures: Korean letters, few lines."""
    # Importing koreanize_matplotlib would change the user's settings, so only its font is taken.
    package = find_spec("koreanize_matplotlib")
    if find_spec("matplotlib") is None or package is None or package.origin is None:
        raise MissingDependencyError(
            "Pictures need matplotlib and a Korean font.", fix='Run: pip install "ktube_motion[render]"'
        )
    from matplotlib import font_manager

    font_manager.fontManager.addfont(str(Path(package.origin).parent / "fonts" / "NanumGothic.ttf"))
    return {
        "font.family": "NanumGothic",
        "font.size": 9,
        "axes.unicode_minus": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": _DARK,
        "axes.titlesize": 9,
    }


@contextmanager
def _figure(path: Path, rows: int, columns: int, size: tuple[float, float]) -> Iterator[tuple[Any, Any]]:
    """Give a grid of axes; write the picture at the end. The user's own settings stay as they are."""
    settings = _style()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(size[0] * columns, size[1] * rows), dpi=130, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False).ravel()
        with atomic_path(path) as part:
            figure.savefig(part, format="png", facecolor="white")


def plot_report(table: Mapping[str, Mapping[str, "Interval"]], path: str | Path, *, title: str = "") -> Path:
    """Draw one small chart per metric: a bar per row, with its 95 % interval.

    Parameters
    ----------
    table : mapping of str to mapping of str to Interval
        Rows, then metrics: `Report.table`.
    path : path
        A ``.png`` file.
    title : str

    Returns
    -------
    path : Path

    Raises
    ------
    MissingDependencyError
        If matplotlib or koreanize-matplotlib is missing.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.evaluation import Interval
    >>> plot_report({"real": {"fid": Interval(0.1, 0.02, 20)}}, Path(tempfile.mkdtemp()) / "report.png").exists()
    True
    """
    path = Path(path)
    names = columns({name for cells in table.values() for name in cells})
    wide = min(4, len(names))
    with _figure(path, math.ceil(len(names) / wide), wide, (2.9, 2.3)) as (figure, axes):
        for axis, name in zip(axes, names, strict=False):
            _bars(axis, {row: cells[name] for row, cells in table.items() if name in cells})
            axis.set_title(label(name))
        for axis in axes[len(names) :]:
            axis.axis("off")
        figure.suptitle(title, fontsize=10)
    return path


def _bars(axis: Any, cells: Mapping[str, "Interval"]) -> None:
    """Draw named intervals as bars from zero."""
    for place, (row, cell) in enumerate(cells.items()):
        half = 0.0 if math.isnan(cell.half_width) else cell.half_width
        axis.bar(
            place, cell.mean, yerr=half, color=palette.ROWS.get(row, palette.SOFT), width=0.72, capsize=3, ecolor=_DARK
        )
        axis.annotate(
            f"{cell.mean:.3g}", (place, cell.mean + half), ha="center", va="bottom", fontsize=8, xytext=(0, 2),
            textcoords="offset points",
        )  # fmt: skip
    axis.set_xticks(range(len(cells)), list(cells), rotation=28, ha="right", rotation_mode="anchor")
    axis.margins(y=0.16)
    axis.locator_params(axis="y", nbins=4)


def plot_confusion(report: ClassReport, path: str | Path, *, title: str = "") -> Path:
    """Draw which class was taken for which, as shares of each true class.

    Parameters
    ----------
    report : ClassReport
    path : path
        A ``.png`` file.
    title : str

    Returns
    -------
    path : Path

    Raises
    ------
    MissingDependencyError
        If matplotlib or koreanize-matplotlib is missing.

    Examples
    --------
    >>> import tempfile
    >>> report = ClassReport.of(("인사", "걷기"), [[8, 2], [1, 9]])
    >>> plot_confusion(report, Path(tempfile.mkdtemp()) / "confusion.png").exists()
    True
    """
    path, count = Path(path), len(report.classes)
    share = report.confusion / report.confusion.sum(1, keepdims=True).clip(1)
    side = max(3.6, 0.46 * count + 2.0)
    with _figure(path, 1, 1, (side + 0.4, side)) as (_, (axis,)):
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (true, found), value in _cells(report.confusion):
            axis.text(
                found, true, value, ha="center", va="center", color="white" if share[true, found] > 0.5 else _DARK
            )
        axis.set_xticks(range(count), report.classes, rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(count), report.classes)
        axis.set(xlabel="recognised as 인식한 부류", ylabel="true 실제 부류")
        axis.tick_params(length=0)
        name = f"{title}: " if title else ""
        axis.set_title(f"{name}{report.accuracy:.1%} right (chance {report.chance:.1%})")
        axis.spines[:].set_visible(False)
    return path


def _cells(table: np.ndarray) -> list[tuple[tuple[int, int], int]]:
    """Give place and number of all cells that are not zero."""
    return [((i, j), int(value)) for i, row in enumerate(table) for j, value in enumerate(row) if value]


def plot_trust(curves: Mapping[str, "Curve"], path: str | Path) -> Path:
    """Draw how FID and R-precision answer to growing faults.

    Parameters
    ----------
    curves : mapping of str to Curve
        From `TrustReport.curves`.
    path : path
        A ``.png`` file.

    Returns
    -------
    path : Path

    Raises
    ------
    MissingDependencyError
        If matplotlib or koreanize-matplotlib is missing.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.evaluation import Curve
    >>> curve = Curve("share of clips played backwards", (0.0, 1.0), (0.0, 5.7), (0.99, 0.75), floor=1.0)
    >>> plot_trust({"reverse": curve}, Path(tempfile.mkdtemp()) / "trust.png").exists()
    True
    """
    path = Path(path)
    with _figure(path, 1, len(curves), (3.1, 2.9)) as (figure, axes):
        for axis, (fault, curve) in zip(axes, curves.items(), strict=True):
            # Amounts far apart stand side by side: their order is what matters.
            places = range(len(curve.amounts))
            axis.axhline(curve.floor, color=_PALE, linewidth=5, zorder=0, label="other real motions 다른 실제 동작")
            axis.plot(places, curve.fid, "o-", color=palette.RIGHT, clip_on=False, label="FID (left 왼쪽)")
            other = axis.twinx()
            other.plot(places, curve.top3, "s--", color=_SECOND, label="R top 3 (right 오른쪽)")
            other.set_ylim(0, 1.05)
            other.spines["right"].set_visible(True)
            other.tick_params(colors=_SECOND)
            # Small faults matter as much as large ones, and zero must have a place.
            axis.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
            axis.set_ylim(bottom=0)
            axis.set_xticks(places, [f"{amount:g}" for amount in curve.amounts])
            axis.set_title(
                f"{_KOREAN.get(fault, fault)}: {'grows 증가' if curve.grows else 'does NOT grow 증가 안 함'}"
            )
            axis.set_xlabel(curve.unit)
        handles = [handle for part in (axis, other) for handle in part.get_legend_handles_labels()[0]]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return path


_KOREAN = {"jitter": "떨림 jitter", "freeze": "정지 freeze", "swap": "좌우 바꿈 swap", "reverse": "거꾸로 reverse"}
