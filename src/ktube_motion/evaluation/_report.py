"""What an evaluation found: one table with intervals, and all that is needed to run it again."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..errors import DataError, FormatError
from ..io import check_name
from ..io._files import read_json, write_text
from ..metrics.functional import ClassReport
from ._plots import can_draw, plot_confusion, plot_report
from ._registry import columns, label

__all__ = ["Interval", "Report"]

_TITLES = {"tokenizer": "a tokenizer", "speech": "timing"}


@dataclass(frozen=True)
class Interval:
    """Mean of repeated measurements and the half width of its 95 % interval.

    Attributes
    ----------
    mean : float
    half_width : float
        ``1.96 σ / sqrt(n)``, with σ over n as the field computes it; NaN for a single measurement.
    repeats : int

    Examples
    --------
    >>> print(Interval.of([1.0, 3.0]))
    2.000 ± 1.386
    """

    mean: float
    half_width: float
    repeats: int

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Self:
        """Summarise measurements; raises `DataError` if one is not finite."""
        values = np.asarray(values, dtype=np.float64)
        if not len(values) or not np.isfinite(values).all():
            raise DataError("A measurement is missing or not finite.", found=values.tolist())
        half = 1.96 * values.std() / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return cls(float(values.mean()), float(half), len(values))

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if math.isnan(self.half_width) else f"{self.mean:.3f} ± {self.half_width:.3f}"


@dataclass(frozen=True, eq=False)
class Report:
    """One run of the protocol.

    Attributes
    ----------
    kind : str
        ``tokenizer``, ``generation`` or ``speech``.
    table : dict of str to dict of str to Interval
        Rows (``real``, ``reconstructed``, ``generated``, ``shuffled``, ``chance``), then metrics.
    counts : dict of str to int
        Samples measured, and clips and texts left out by reason.
    settings : dict
        Split, limits, seed, repeats, fingerprints of models.
    notes : tuple of str
        What a reader of the numbers must know.
    classes : dict of str to ClassReport
        Confusions of the generated motions by label group, all repeats added up.

    Examples
    --------
    >>> report = Report("tokenizer", {"real": {"fid": Interval(0.0, 0.0, 20)}}, {"samples": 100})
    >>> report["real", "fid"].mean
    0.0
    >>> print(report.to_markdown().splitlines()[4])
    | real | 0.000 ± 0.000 |
    """

    kind: str
    table: dict[str, dict[str, Interval]]
    counts: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    classes: dict[str, ClassReport] = field(default_factory=dict)

    def __getitem__(self, place: tuple[str, str]) -> Interval:
        row, metric = place
        return self.table[row][metric]

    def to_json(self) -> str:
        """Write everything as JSON; NaN becomes null."""
        whole = {
            "kind": self.kind,
            "table": {row: {name: _written(cell) for name, cell in cells.items()} for row, cells in self.table.items()},
            "counts": self.counts,
            "settings": self.settings,
            "notes": list(self.notes),
            "classes": {
                group: {"classes": list(report.classes), "confusion": report.confusion.tolist()}
                for group, report in self.classes.items()
            },
        }
        return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read the ``report.json`` of a folder written by `save`; raises `FormatError` if it is not one."""
        path = Path(folder) / "report.json"
        written = read_json(path)
        try:
            table = {
                row: {name: _read(cell) for name, cell in cells.items()} for row, cells in written["table"].items()
            }
            classes = {
                group: ClassReport.of(part["classes"], part["confusion"])
                for group, part in written.get("classes", {}).items()
            }
            notes = tuple(written["notes"])
            return cls(written["kind"], table, written["counts"], written["settings"], notes, classes)
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError("This is not a report.", where=path, found=error) from error

    def to_markdown(self) -> str:
        """Write the table, the counts and the notes as Markdown."""
        present = {name for cells in self.table.values() for name in cells}
        names = columns(present)
        lines = [f"# Evaluation of {_TITLES.get(self.kind, 'a generator')}", ""]
        lines.append("| | " + " | ".join(label(name) for name in names) + " |")
        lines.append("|---" * (len(names) + 1) + "|")
        for row, cells in self.table.items():
            lines.append(f"| {row} | " + " | ".join(str(cells.get(name, "–")) for name in names) + " |")
        lines += ["", *(f"- {name.replace('_', ' ')}: {value}" for name, value in self.counts.items())]
        lines += [f"- {name}: {value}" for name, value in self.settings.items() if name != "seeds"]  # JSON has them
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)]) + "\n"

    def save(self, folder: str | Path, *, pictures: bool | None = None) -> Path:
        """Write ``report.json``, ``report.md`` and pictures into `folder`, each atomically.

        Parameters
        ----------
        folder : path
        pictures : bool, optional
            ``report.png``, and ``confusion_GROUP.png`` for each label group. By
            default they are drawn where matplotlib is installed; where it is not, a warning says so.

        Returns
        -------
        folder : Path

        Raises
        ------
        MissingDependencyError
            If `pictures` is True and matplotlib is missing.
        """
        folder = Path(folder)
        write_text(folder / "report.md", self.to_markdown())
        write_text(folder / "report.json", self.to_json())
        if pictures or (pictures is None and can_draw()):
            samples = self.counts.get("samples", 0)
            plot_report(self.table, folder / "report.png", title=f"{self.kind} · {samples} samples · mean ± 95 %")
            for group, report in self.classes.items():
                plot_confusion(report, folder / f"confusion_{check_name(group)}.png", title=group)
        return folder


def _written(cell: Interval) -> dict[str, Any]:
    half = None if math.isnan(cell.half_width) else cell.half_width
    return {"mean": cell.mean, "half_width": half, "repeats": cell.repeats}


def _read(cell: dict[str, Any]) -> Interval:
    half = math.nan if cell["half_width"] is None else cell["half_width"]
    return Interval(cell["mean"], half, cell["repeats"])
