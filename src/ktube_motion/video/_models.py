"""The neural networks of MediaPipe, taken from its wheel as it is installed or downloaded; nothing is fetched."""

import hashlib
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ..errors import FormatError, MissingDependencyError

__all__ = ["ModelFile", "find_models", "read_model"]

PIP_LINE = "pip install --no-deps mediapipe==0.10.21"
_NAMES = {
    "person": "mediapipe/modules/pose_detection/pose_detection.tflite",
    "body": "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "recrop": "mediapipe/modules/holistic_landmark/hand_recrop.tflite",
    "hand": "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
}


@dataclass(frozen=True)
class ModelFile:
    """One network and where it came from.

    Attributes
    ----------
    path : str
        The file, or the wheel and the name inside it.
    version : str
        Of mediapipe; empty where unknown.
    sha256 : str
    content : bytes
        The ``.tflite`` or ``.task`` file itself.
    """

    path: str
    version: str
    sha256: str
    content: bytes = field(repr=False, compare=False)

    def describe(self) -> dict[str, str]:
        """Give what a manifest says of it."""
        return {"path": self.path, "version": self.version, "sha256": self.sha256}


def find_models(source: str | Path | None = None) -> Mapping[str, ModelFile]:
    """Find the networks for persons, bodies and hands.

    Parameters
    ----------
    source : path, optional
        A mediapipe wheel, or a folder with its ``.tflite`` files; by default
        the installed mediapipe, which is not imported.

    Returns
    -------
    models : mapping of str to ModelFile
        ``person``, ``body``, ``recrop``, ``hand``.

    Raises
    ------
    MissingDependencyError
        If mediapipe is not installed, or is one of the later versions, which contain no networks.
    FormatError
        If `source` does not contain them.

    Examples
    --------
    >>> find_models("nowhere.whl")
    Traceback (most recent call last):
    ktube_motion.errors.FormatError: nowhere.whl: There is no such wheel or folder. ...
    """
    if source is None:
        return _installed()
    source = Path(source)
    if os.path.isdir(source):
        return _in_folder(source)
    if not os.path.isfile(source):
        raise FormatError("There is no such wheel or folder.", where=source, fix=f"Or: {PIP_LINE}")
    return _in_wheel(source)


def _installed() -> Mapping[str, ModelFile]:
    try:
        found = distribution("mediapipe")
    except PackageNotFoundError:
        raise MissingDependencyError("The networks of MediaPipe are not installed.", fix=f"Run: {PIP_LINE}") from None
    paths = {kind: Path(str(found.locate_file(name))) for kind, name in _NAMES.items()}
    missing = [path.name for path in paths.values() if not os.path.isfile(path)]
    if missing:
        raise MissingDependencyError(
            "This mediapipe contains no networks.",
            expected="version 0.10.21",
            found=f"{found.version} without {', '.join(missing)}",
            fix=f"Run: {PIP_LINE}",
        )
    return {kind: read_model(path, found.version) for kind, path in paths.items()}


def _in_folder(folder: Path) -> Mapping[str, ModelFile]:
    models = {}
    for kind, name in _NAMES.items():
        path = next((path for path in (folder / name, folder / Path(name).name) if os.path.isfile(path)), None)
        if path is None:
            raise FormatError("A network is missing in this folder.", where=folder, expected=Path(name).name)
        models[kind] = read_model(path)
    return models


def _in_wheel(wheel: Path) -> Mapping[str, ModelFile]:
    version = wheel.name.split("-")[1] if wheel.name.startswith("mediapipe-") else ""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return {kind: _model(f"{wheel}/{name}", version, archive.read(name)) for kind, name in _NAMES.items()}
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise FormatError(
            "The networks cannot be read from this wheel.",
            where=wheel,
            expected="mediapipe 0.10.21; later wheels contain none",
            found=error,
            fix="Run: pip download --no-deps mediapipe==0.10.21",
        ) from error


def read_model(path: Path, version: str = "") -> ModelFile:
    """Read a network from a file of its own."""
    return _model(str(path), version, path.read_bytes())


def _model(path: str, version: str, content: bytes) -> ModelFile:
    return ModelFile(path, version, hashlib.sha256(content).hexdigest(), content)
