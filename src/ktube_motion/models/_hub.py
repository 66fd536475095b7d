"""What the models of the library share: one folder each, and statistics that live inside it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from torch import nn

from ..errors import ConfigError
from ..io._files import filled_folder
from ..types import FeatureStats
from ._cards import model_card
from ._checkpoints import load_checkpoint, load_state, save_checkpoint
from ._sizes import check_size

__all__ = ["HubModel", "StandardizedModel"]


class HubModel(nn.Module, PyTorchModelHubMixin, library_name="ktube_motion"):
    """A model that is built from one config, and saved with it.

    A child names its `kind` and its `config_type`, and takes the config first.
    """

    kind: ClassVar[str]
    config_type: ClassVar[type[Any]]
    config: Any

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Write config, weights and, where there is none, a card to a folder; an older model is whole until the end.

        Parameters
        ----------
        save_directory : path
            Made if missing; its other files stay.
        repo_id : str, optional
            As ``"user/model"``; by default the folder's name.
        push_to_hub : bool
            Send the model to the hub, too.
        model_card_kwargs : dict, optional
            For `generate_model_card`.
        **push_to_hub_kwargs
            As `push_to_hub` has them.

        Returns
        -------
        url : str or None
            Of the commit, if there is one.

        Raises
        ------
        WriteError
            If the disk is full, or nothing can be written there.

        Examples
        --------
        >>> import tempfile
        >>> from ktube_motion.vq import MotionTokenizer, TokenizerConfig
        >>> folder = Path(tempfile.mkdtemp())
        >>> MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8)).save_pretrained(folder)
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'config.json', 'model.safetensors']
        """
        folder = Path(save_directory)
        # The mixin begins by removing the config that is there.
        with filled_folder(folder, keep=("README.md",)) as inner:
            super().save_pretrained(inner, model_card_kwargs=model_card_kwargs)
        if not push_to_hub:
            return None
        return self.push_to_hub(repo_id or folder.name, model_card_kwargs=model_card_kwargs, **push_to_hub_kwargs)

    def _save_pretrained(self, save_directory: str | Path) -> None:
        save_checkpoint(save_directory, kind=self.kind, config=self.config, state=self.state_dict())

    def generate_model_card(self, *, license: str | None = None, data: str | None = None, **_: Any) -> ModelCard:
        """Write the model's card; ``push_to_hub(…, model_card_kwargs={"license": …, "data": …})`` fills it in.

        Parameters
        ----------
        license : str, optional
            Of the weights, as the hub calls it.
        data : str, optional
            What the model was trained on, and under which terms.

        Returns
        -------
        card : huggingface_hub.ModelCard
        """
        settings = asdict(self.config)
        facts = {name: value for name, value in settings.items() if value not in (None, "", (), {}, [])}
        facts["parameters"] = sum(weight.numel() for weight in self.parameters())
        return model_card(self.kind, facts=facts, license=license, data=data)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        map_location: str | torch.device = "cpu",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **parts: Any,
    ) -> Self:
        """Load what `save_pretrained` wrote, from a folder or the hub; in evaluation mode.

        Parameters
        ----------
        pretrained_model_name_or_path : path or str
            A folder, or a hub id as ``"user/model"``.
        map_location : str or torch.device
        revision, token, cache_dir, force_download, local_files_only : optional
            For the hub, as `huggingface_hub.hf_hub_download` has them.
        **parts
            What the model takes beside its config and does not save, as an
            evaluator its ``text_encoder``.

        Returns
        -------
        model : same class

        Raises
        ------
        CheckpointError
            If files are missing or damaged, or hold another kind of model.

        Examples
        --------
        >>> import tempfile
        >>> from ktube_motion.vq import MotionTokenizer, TokenizerConfig
        >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
        >>> folder = tempfile.mkdtemp()
        >>> tokenizer.save_pretrained(folder)
        >>> MotionTokenizer.from_pretrained(folder).fingerprint == tokenizer.fingerprint
        True
        """
        hub = {"revision": revision, "token": token, "cache_dir": cache_dir}
        hub |= {"force_download": force_download, "local_files_only": local_files_only}
        source = pretrained_model_name_or_path
        config, state = load_checkpoint(source, kind=cls.kind, config_type=cls.config_type, **hub)
        parts = cls._saved_parts(source) | parts
        check_size(lambda: cls(config, **parts), config, state, where=source)
        model = cls(config, **parts)
        model._receive(state)
        load_state(model, state, where=source)
        return model.to(map_location).eval()

    @classmethod
    def _saved_parts(cls, source: str | Path) -> dict[str, Any]:
        """Give the parts that a folder has beside the weights; a child that saves such parts reads them here."""
        return {}

    def _receive(self, state: Mapping[str, torch.Tensor]) -> None:
        """Get ready for the weights `state`; a child may take over their precision here."""


class StandardizedModel(nn.Module):
    """A model with the mean and the deviation of the features it reads, as buffers.

    Examples
    --------
    >>> model = StandardizedModel()
    >>> model.hold_stats(FeatureStats(mean=[1.0, 2.0], std=[0.5, 1.0]), 2)
    >>> model.stats.mean
    array([1., 2.], dtype=float32)
    """

    mean: torch.Tensor
    std: torch.Tensor

    def hold_stats(self, stats: FeatureStats | None, size: int) -> None:
        """Take statistics of `size` numbers; without them features stay as they are.

        Raises
        ------
        ConfigError
            If they are of another size.
        """
        if stats is not None and len(stats.mean) != size:
            raise ConfigError("Statistics and features differ in size.", expected=size, found=len(stats.mean))
        self.register_buffer("mean", torch.zeros(size) if stats is None else torch.tensor(stats.mean))
        self.register_buffer("std", torch.ones(size) if stats is None else torch.tensor(stats.std))

    @property
    def stats(self) -> FeatureStats:
        """The normalisation statistics, as NumPy arrays."""
        return FeatureStats(mean=self.mean.cpu().numpy(), std=self.std.cpu().numpy())
