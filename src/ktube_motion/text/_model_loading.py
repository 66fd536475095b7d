"""Loading of transformers models and tokenizers, and what tells one from another."""

import hashlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError, MissingDependencyError

__all__ = ["fingerprint_model", "load_model", "load_tokenizer", "pooled_t5", "token_limit", "transformers_library"]

_PROBE = "오른손을 들어 흔든다. Hello 123"  # tells tokenizers apart by what they make of it
_NO_LIMIT = 10**6  # transformers writes "no limit" as a huge number


def transformers_library() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError("transformers is not installed.", fix="pip install transformers") from error
    return transformers


def pooled_t5() -> type[Any]:
    """Give the class of VL-KE-T5's language model: a T5 encoder and its pooler's weights."""

    class Pooler(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.dense1, self.layernorm = nn.Linear(size, size), nn.LayerNorm(size, eps=1e-12)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layernorm(self.dense1(x))

    class PooledT5(transformers_library().T5EncoderModel):  # type: ignore[misc]  # a class known at run time only
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.pooler = Pooler(config.d_model)
            self.post_init()

    return PooledT5


def _check_source(source: str | Path) -> bool:
    """Give whether `source` is a folder; raise if it is a path to nothing."""
    path = Path(source)
    if os.path.isdir(path):
        return True
    if isinstance(source, Path) or path.is_absolute() or len(path.parts) > 2 or str(source).startswith("."):
        raise CheckpointError("There is no such folder.", where=source, fix="Give a model folder or a hub id.")
    return False


def load_model(kind: Any, source: str | Path, local_files_only: bool) -> tuple[Any, set[str]]:
    """Load weights in float32; give the model and the set of weights the checkpoint lacks."""
    from safetensors import SafetensorError

    local = _check_source(source)
    try:
        model, report = kind.from_pretrained(
            str(source), local_files_only=local or local_files_only, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError("Cannot load this model.", where=source, found=error) from error
    return model, set(report["missing_keys"])


def load_tokenizer(source: Any, local_files_only: bool) -> Any:
    if not isinstance(source, (str, Path)):
        return source
    local = _check_source(source)
    # KE-T5 ships spiece.model alone, which says nothing of its class.
    sentencepiece = local and os.path.isfile(Path(source) / "spiece.model")
    kind = transformers_library().T5Tokenizer if sentencepiece else transformers_library().AutoTokenizer
    try:
        return kind.from_pretrained(str(source), local_files_only=local or local_files_only)
    except ImportError as error:
        raise MissingDependencyError(
            "This tokenizer needs sentencepiece and protobuf.", where=source, fix='pip install "ktube_motion[korean]"'
        ) from error
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError("Cannot load this tokenizer.", where=source, found=error) from error


def token_limit(config: Any, tokenizer: Any) -> int:
    """Find how many tokens the model reads: the least of what model and tokenizer say, else 512."""
    limits = [tokenizer.model_max_length]
    positions = getattr(config, "max_position_embeddings", None)
    if positions:
        # RoBERTa and its kin number positions from behind the padding token.
        shifted = any(family in config.model_type for family in ("roberta", "camembert"))
        limits.append(positions - (config.pad_token_id + 1 if shifted else 0))
    return min((limit for limit in limits if limit < _NO_LIMIT), default=512)


def fingerprint_model(model: nn.Module, tokenizer: Any) -> str:
    """Hash a sample of every weight, and the tokenizer's reading of one sentence."""
    digest = hashlib.sha256(json.dumps(tokenizer(_PROBE)["input_ids"]).encode())
    for name, weight in sorted(model.state_dict().items()):
        sample = weight.detach().flatten()
        sample = torch.cat((sample[:64], sample[-64:])).float().cpu().numpy()
        digest.update(f"{name}{tuple(weight.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()[:12]
