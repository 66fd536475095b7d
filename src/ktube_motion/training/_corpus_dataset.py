"""A corpus as PyTorch knows data sets, for a training loop of one's own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from ..errors import ConfigError, CorpusError
from ..io import Corpus

__all__ = ["CorpusDataset", "collate_clips"]


class CorpusDataset(Dataset[dict[str, Any]]):
    """The clips of a split, one by one.

    Parameters
    ----------
    corpus : Corpus
    split : str
    window : int, optional
        Frames of a sample, cut out anywhere; a shorter clip is given whole. By default clips are given whole.
    generator : torch.Generator, optional
        Where windows begin. Workers of a ``DataLoader`` draw from torch's own, which it seeds for each.

    Raises
    ------
    CorpusError
        If the split has no clips.
    ConfigError
        If `window` is not positive.

    Notes
    -----
    A sample is a dict: ``name``, ``features`` (float32 tensor ``(T, D)``, raw), ``text`` (what is said first) and
    ``texts`` (the `Utterance` objects, with the times of their words). `collate_clips` makes batches of them.
    `train_tokenizer` and its kin do not use this: their windows come from one array, in an order that can be resumed.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.types import Utterance
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> for name, frames in (("a", 30), ("b", 50)):
    ...     corpus.add_clip(name, features=np.zeros((frames, 263)), texts=[Utterance(0, 0, "안녕하세요")])
    >>> corpus.write_splits({"train": ["a", "b"]})
    >>> clips = CorpusDataset(corpus)
    >>> len(clips), clips[1]["features"].shape, clips[1]["text"]
    (2, torch.Size([50, 263]), '안녕하세요')
    >>> loader = torch.utils.data.DataLoader(clips, batch_size=2, collate_fn=collate_clips)
    >>> batch = next(iter(loader))
    >>> batch["features"].shape, batch["mask"].sum(1).tolist(), batch["texts"]
    (torch.Size([2, 50, 263]), [30, 50], ['안녕하세요', '안녕하세요'])
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str = "train",
        *,
        window: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        if window is not None and window < 1:
            raise ConfigError("window must be positive.", found=window)
        self.corpus, self.split, self.window, self.generator = corpus, split, window, generator
        self.names: list[str] = corpus.names(split)
        if not self.names:
            raise CorpusError(f"The split {split!r} has no clips.", where=corpus.root)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        clip = self.corpus[self.names[index]]
        features = torch.from_numpy(clip["features"])
        if self.window is not None and len(features) > self.window:
            free = len(features) - self.window + 1
            start = int(torch.randint(free, (1,), generator=self.generator))
            features = features[start : start + self.window]
        said = clip["texts"]
        return {**clip, "features": features, "text": said[0].text if said else ""}


def collate_clips(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make a batch of samples of a `CorpusDataset`: clips padded with zeros, and a mask.

    Parameters
    ----------
    samples : sequence of dict

    Returns
    -------
    batch : dict
        ``features`` float32 tensor ``(B, T, D)``, ``mask`` bool tensor ``(B, T)``, ``texts`` and ``names``, lists of
        str. Pass it as ``collate_fn`` to a ``torch.utils.data.DataLoader``; `CorpusDataset` shows it.

    Examples
    --------
    >>> clips = [{"features": torch.zeros(n, 263), "text": "네", "name": f"{n}"} for n in (20, 30)]
    >>> batch = collate_clips(clips)
    >>> batch["features"].shape, batch["mask"].sum(1).tolist()
    (torch.Size([2, 30, 263]), [20, 30])
    """
    features = [sample["features"] for sample in samples]
    lengths = torch.tensor([len(clip) for clip in features])
    padded = pad_sequence(features, batch_first=True)
    return {
        "features": padded,
        "mask": torch.arange(padded.shape[1]) < lengths[:, None],
        "texts": [sample["text"] for sample in samples],
        "names": [sample["name"] for sample in samples],
    }
