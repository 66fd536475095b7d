"""What kind of motion is it? A measure that no text encoder takes part in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from ...arrays import ArrayLike
from ...errors import DataError, ShapeError
from ._distribution import rows_in_float64

__all__ = ["ClassReport", "class_accuracy", "nearest_centroid"]


@dataclass(frozen=True, eq=False)
class ClassReport:
    """Accuracy, and which class was taken for which.

    Attributes
    ----------
    accuracy : float
        Share of motions whose class is recognised.
    classes : tuple of str
    per_class : dict of str to float
        Recall of each class that occurs.
    confusion : int64 array [shape=(C, C)]
        Rows are true classes, columns predicted ones.
    chance : float
        One over the number of classes.
    """

    accuracy: float
    classes: tuple[str, ...]
    per_class: dict[str, float]
    confusion: np.ndarray
    chance: float

    @classmethod
    def of(cls, classes: Iterable[str], confusion: npt.ArrayLike) -> Self:
        """Sum up a confusion table, or several added together.

        Examples
        --------
        >>> ClassReport.of(("bow", "wave"), [[3, 1], [0, 0]]).accuracy
        0.75
        """
        classes, confusion = tuple(classes), np.asarray(confusion, np.int64)
        if confusion.shape != (len(classes), len(classes)) or not confusion.sum():
            raise ShapeError("This is no confusion table.", expected=f"({len(classes)}, {len(classes)}), not all 0")
        totals = confusion.sum(1)
        recall = {name: float(confusion[k, k] / totals[k]) for k, name in enumerate(classes) if totals[k]}
        return cls(float(np.trace(confusion) / totals.sum()), classes, recall, confusion, 1 / len(classes))


def _labelled(embeddings: ArrayLike, labels: Iterable[str], name: str) -> tuple[torch.Tensor, list[str]]:
    rows = rows_in_float64(embeddings, name=name)
    labels = [str(label) for label in labels]
    if len(rows) != len(labels):
        raise ShapeError(f"{name} and their labels differ in number.", expected=len(rows), found=len(labels))
    return rows, labels


def nearest_centroid(embeddings: ArrayLike, train_embeddings: ArrayLike, train_labels: Iterable[str]) -> list[str]:
    """Label each motion by the nearest class mean of labelled motions.

    Parameters
    ----------
    embeddings : array or tensor [shape=(N, E)]
        Motions to label, in an evaluator's motion space.
    train_embeddings : array or tensor [shape=(M, E)]
    train_labels : sequence of str [length M]

    Returns
    -------
    labels : list of str [length N]

    Raises
    ------
    ShapeError, DataError
        If sizes differ or numbers are not finite.

    Examples
    --------
    >>> nearest_centroid([[0.1], [4.0]], [[0.0], [0.2], [5.0]], ["bow", "bow", "wave"])
    ['bow', 'wave']
    """
    rows = rows_in_float64(embeddings, name="embeddings")
    train, train_labels = _labelled(train_embeddings, train_labels, "train_embeddings")
    if rows.shape[1] != train.shape[1]:
        raise ShapeError("The two sets come from different evaluators.", expected=train.shape[1], found=rows.shape[1])
    classes, index = np.unique(train_labels, return_inverse=True)
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(index), len(classes)).to(train)
    centroids = one_hot.T @ train / one_hot.sum(0)[:, None]
    return [str(classes[k]) for k in torch.cdist(rows, centroids.to(rows.device)).argmin(-1).tolist()]


def class_accuracy(
    embeddings: ArrayLike, labels: Iterable[str], train_embeddings: ArrayLike, train_labels: Iterable[str]
) -> ClassReport:
    """How often the nearest class mean names a motion's class rightly.

    Parameters
    ----------
    embeddings : array or tensor [shape=(N, E)]
        Generated (or held-out real) motions in an evaluator's motion space.
    labels : sequence of str [length N]
        What each was meant to be.
    train_embeddings, train_labels
        Labelled real motions, as in `nearest_centroid`.

    Returns
    -------
    report : ClassReport

    Raises
    ------
    ShapeError, DataError
        If sizes differ, numbers are not finite, or a label never occurs in `train_labels`.

    Examples
    --------
    >>> report = class_accuracy([[0.1], [4.0], [0.0]], ["bow", "wave", "wave"], [[0.0], [5.0]], ["bow", "wave"])
    >>> report.confusion, report.per_class
    (array([[1, 0],
           [1, 1]]), {'bow': 1.0, 'wave': 0.5})
    """
    _, labels = _labelled(embeddings, labels, "embeddings")
    classes = tuple(sorted({str(label) for label in train_labels}))
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise DataError("Labels without a labelled example.", expected=", ".join(classes), found=", ".join(unknown))
    predicted = nearest_centroid(embeddings, train_embeddings, train_labels)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, ([classes.index(x) for x in labels], [classes.index(x) for x in predicted]), 1)
    return ClassReport.of(classes, confusion)
