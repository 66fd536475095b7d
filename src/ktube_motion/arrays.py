"""NumPy or torch in, the same kind out: the one door between the two.

The pure functions of the library compute with torch and accept either kind.
They call `to_torch` once at the start and the returned ``restore`` at the end.
"""

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Any, SupportsIndex, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch

from .errors import ConfigError, DataError, ShapeError

__all__ = ["Array", "ArrayLike", "check_finite", "check_shape", "check_whole", "to_torch"]

# In a signature: the kind that goes in is the kind that comes out.
Array = TypeVar("Array", np.ndarray, torch.Tensor)

# In a signature: numbers of any kind, from which plain numbers or something of our own is made.
ArrayLike = npt.ArrayLike | torch.Tensor


@overload
def to_torch(array: Array, *, name: str = "array") -> tuple[torch.Tensor, Callable[[torch.Tensor], Array]]: ...


@overload
def to_torch(array: ArrayLike, *, name: str = "array") -> tuple[torch.Tensor, Callable[[torch.Tensor], Any]]: ...


def to_torch(array: ArrayLike, *, name: str = "array") -> tuple[torch.Tensor, Callable[[torch.Tensor], Any]]:
    """Give `array` as a floating-point tensor, and the way back.

    Parameters
    ----------
    array : array or tensor of numbers [shape=any]
        Integers become the default float type. NumPy memory is shared, not
        copied, so the caller must not write into the tensor.
    name : str
        What the error calls it.

    Returns
    -------
    tensor : torch.Tensor
        Same values, same device.
    restore : callable
        Turns a tensor into the kind, dtype and device of `array`.

    Raises
    ------
    DataError
        If `array` is not numeric.

    Examples
    --------
    >>> x, restore = to_torch(np.ones(2, dtype=np.float32))
    >>> restore(x + 1)
    array([2., 2.], dtype=float32)
    """
    if isinstance(array, torch.Tensor):
        tensor = array if array.is_floating_point() else array.to(torch.get_default_dtype())
        return tensor, lambda result: result.to(tensor.dtype) if result.is_floating_point() else result
    values = np.asarray(array)
    if values.dtype.kind not in "fiub":
        raise DataError(f"{name} is not numeric.", expected="an array of numbers", found=values.dtype)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64 if values.dtype.kind != "f" else np.float32)
    if not values.flags.writeable or any(step < 0 for step in values.strides):
        values = values.copy()  # torch.from_numpy refuses negative strides and warns on read-only memory
    dtype = values.dtype

    def restore(result: torch.Tensor) -> np.ndarray:
        out = result.detach().cpu().numpy()
        return out.astype(dtype, copy=False) if out.dtype.kind == "f" else out

    return torch.from_numpy(values), restore


def check_shape(
    array: np.ndarray | torch.Tensor, pattern: tuple[int | None, ...], *, name: str, where: str | None = None
) -> None:
    """Raise `ShapeError` unless the trailing axes of `array` fit `pattern`.

    Parameters
    ----------
    array : array or tensor
    pattern : tuple of int or None
        Trailing shape; ``None`` fits any size.
    name : str
        What the error calls it.
    where : str, optional
        File or place, for the message.

    Raises
    ------
    ShapeError

    Examples
    --------
    >>> check_shape(np.zeros((5, 22, 3)), (None, 22, 3), name="positions")
    >>> check_shape(np.zeros((5, 22)), (22, 3), name="positions")
    Traceback (most recent call last):
    ktube_motion.errors.ShapeError: positions has the wrong shape. Expected: (..., 22, 3). Found: (5, 22).
    """
    shape = tuple(array.shape)
    tail = shape[len(shape) - len(pattern) :] if len(shape) >= len(pattern) else None
    if tail is None or any(want is not None and want != have for want, have in zip(pattern, tail, strict=True)):
        text = ", ".join("…" if size is None else str(size) for size in pattern)
        raise ShapeError(f"{name} has the wrong shape.", where=where, expected=f"(..., {text})", found=shape)


def check_finite(array: ArrayLike, *, name: str, where: str | None = None) -> None:
    """Raise `DataError` naming the first frame of `array` that is not finite.

    Parameters
    ----------
    array : array or tensor [shape=(T, ...)]
    name : str
        What the error calls it.
    where : str, optional
        File or place, for the message.

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_finite(np.array([0.0, np.nan]), name="transl")
    Traceback (most recent call last):
    ktube_motion.errors.DataError: transl has NaN or infinity in 1 of 2 frames, first at 1...
    """
    values = array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    bad = ~np.isfinite(values)
    if bad.any():
        frames = np.flatnonzero(bad.reshape(len(values), -1).any(1)) if values.ndim else np.zeros(1, int)
        raise DataError(
            f"{name} has NaN or infinity in {len(frames)} of {values.shape[0] if values.ndim else 1} frames, "
            f"first at {frames[0]}.",
            where=where,
            fix="Fill or drop those frames first.",
        )


def check_whole(value: object, *, name: str, least: int = 0, most: int | None = None) -> int:
    """Give a whole number back as an int; `ConfigError` if it is another kind of thing, or out of its bounds.

    Parameters
    ----------
    value : int
        Also of NumPy or torch.
    name : str
        What the error calls it.
    least, most : int, optional

    Returns
    -------
    value : int

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_whole(np.int64(3), name="top_k", least=1)
    3
    >>> check_whole(1.5, name="top_k", least=1)
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: top_k cannot be this. Expected: a whole number from 1 on. Found: 1.5.
    """
    if isinstance(value, SupportsIndex) and not isinstance(value, (bool, np.bool_)):
        with suppress(TypeError):  # arrays of other than one whole number
            number = operator.index(value)
            if number >= least and (most is None or number <= most):
                return number
    bounds = f"from {least} on" if most is None else f"from {least} to {most}"
    raise ConfigError(f"{name} cannot be this.", expected=f"a whole number {bounds}", found=repr(value))
