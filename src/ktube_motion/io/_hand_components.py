"""Hands as principal components, which only the body model can turn into rotations."""

import os
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ._untrusted import load_numpy

__all__ = ["hand_from_components", "look_like_components"]

_FIRST = 12  # components, which hold nearly all of how a hand moves; of 45 axis-angle numbers they are a quarter
_SHARE = 0.75
_STILL = 1e-3  # radians
_LOOKED_AT = 1000  # frames


def hand_from_components(
    side: str, numbers: np.ndarray, *, body_model: str | Path | None, where: str | Path
) -> np.ndarray:
    """Turn the PCA numbers of one hand into axis-angle.

    Parameters
    ----------
    side : str
        ``left`` or ``right``.
    numbers : array [shape=(N, C)]
    body_model : path or None
        SMPL-X ``.npz`` file or its folder.
    where : path
        What errors call the clip.

    Returns
    -------
    rotvecs : float32 array [shape=(N, 45)]
        Relative to the mean hand.

    Raises
    ------
    ConfigError
        If the body model is needed and not given, or is another.
    """
    if not np.nan_to_num(numbers).any():  # the mean hand, whatever the components are
        return np.where(np.isnan(numbers[:, :1]), np.nan, np.zeros((len(numbers), 45))).astype(np.float32)
    return (numbers @ _components(body_model, side, numbers.shape[1], where)).astype(np.float32)


def look_like_components(values: np.ndarray) -> bool:
    """Say whether 45 numbers of a moving hand are principal components: then the first ones vary most by far.

    Parameters
    ----------
    values : array [shape=(N, 45)]

    Notes
    -----
    In a real co-speech recording twelve of 45 axis-angle numbers have 21 to 24 % of the variance, and the first
    twelve principal components 94 to 97 %.

    Examples
    --------
    >>> moving = np.random.default_rng(0).normal(0, 0.2, (60, 45))
    >>> look_like_components(moving), look_like_components(moving * 0.8 ** np.arange(45))
    (False, True)
    """
    moving = values[:: max(len(values) // _LOOKED_AT, 1)]
    moving = moving[np.isfinite(moving).all(1)]
    moving = moving[np.abs(moving).max(1, initial=0) > _STILL]  # zeros stand for nobody
    if len(moving) < _FIRST or values.shape[1] != 45:
        return False
    variances = moving.astype(np.float64).var(0)
    return bool(variances.max() > _STILL**2 and variances[:_FIRST].sum() > _SHARE * variances.sum())


def _components(body_model: str | Path | None, side: str, count: int, path: str | Path) -> np.ndarray:
    """Load the first `count` principal components of one hand, ``(count, 45)``."""
    if body_model is None:
        raise ConfigError(
            f"The hands of this file are {count} PCA numbers.",
            where=path,
            fix="Give body_model=: an SMPL-X .npz file or its folder (from smpl-x.is.tue.mpg.de).",
        )
    model = Path(body_model)
    if os.path.isdir(model):
        names = [folder / name for folder in (model, model / "smplx") for name in ("SMPLX_NEUTRAL.npz", "model.npz")]
        names += sorted(model.glob("SMPLX_*.npz")) + sorted(model.glob("smplx/SMPLX_*.npz"))
        found = next((name for name in names if os.path.isfile(name)), None)
        if found is None:
            raise ConfigError("No SMPL-X .npz file is in this folder.", where=body_model)
        model = found
    key = f"hands_components{side[0]}"
    data = load_numpy(model, needed=key.__eq__)
    components = data.get(key) if isinstance(data, dict) else None
    if components is None or components.shape != (45, 45) or not 0 < count <= 45:
        raise ConfigError(
            f"This body model does not fit {count} hand components.", where=model, expected=f"{key} of shape (45, 45)"
        )
    return components[:count]
