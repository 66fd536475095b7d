"""A text as a row of vectors: the sentence, and what it is made of.

One vector for a whole sentence blurs which word said what, left and right
above all. A model that is conditioned on the row can look at each.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch

from ..errors import ConfigError
from ._encoders import TextEncoder, clean_texts
from ._words import tag_korean

__all__ = ["SequenceTextEncoder"]


# A point or comma between digits or Latin letters belongs to a number or an address: 3.5%, 1,000원, www.naver.com.
_CLAUSE_END = re.compile(r"(?:[!?…]|(?<![0-9A-Za-z])[.,]|[.,](?![0-9A-Za-z]))+")


class SequenceTextEncoder:
    """The sentence's vector, and after it those of its parts.

    Encoders built on transformers give the last states of their tokens; any
    other encoder reads each clause and each word by itself. What does not fit
    in `length` rows is averaged with its neighbours, never cut.

    Parameters
    ----------
    encoder : TextEncoder
    length : int
        Rows of a text, the sentence's own included; from 2 on.
    dictionary : bool
        Read words in their dictionary form, without particles and auxiliary verbs (`tag_korean`), so
        that 흔들어요 and 흔듭니다 are one word. Not for encoders that give the states of their tokens.

    Attributes
    ----------
    dim, length : int
    identity : str
        The encoder's own, with the length.

    Raises
    ------
    ConfigError
        If `length` is below 2, the states of the encoder are of another size than its vectors, or
        it has states and `dictionary` is asked for.

    Examples
    --------
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> encoder = SequenceTextEncoder(EmbeddedTextEncoder(), length=4)
    >>> rows = encoder.encode(["오른손을 든다", "두 팔을 높이 흔들어 인사한다"])
    >>> rows.shape, rows.any(-1).sum(1)
    (torch.Size([2, 4, 512]), tensor([4, 4]))
    """

    def __init__(self, encoder: TextEncoder, length: int = 16, *, dictionary: bool = False) -> None:
        if not isinstance(length, int) or length < 2:
            raise ConfigError("length cannot work.", expected="a whole number from 2 on", found=repr(length))
        size = getattr(encoder, "state_dim", encoder.dim)
        if size != encoder.dim:
            raise ConfigError(
                "The states of this encoder do not fit its vectors.", expected=f"{encoder.dim} numbers", found=size
            )
        if dictionary and hasattr(encoder, "encode_states"):
            raise ConfigError("This encoder cuts text into tokens of its own.", fix="Leave dictionary=True out.")
        self.encoder: TextEncoder
        self.length: int
        self.dim: int
        self.dictionary: bool
        self.encoder, self.length, self.dim, self.dictionary = encoder, length, encoder.dim, dictionary
        self.identity: str = f"{encoder.identity}+{length}" + "+dictionary" * dictionary
        inner = getattr(encoder, "unwrapped", encoder)
        made = None if hasattr(inner, "save_pretrained") else getattr(inner, "recipe", None)
        own = {"kind": "sequence", "encoder": made, "length": length, "dictionary": dictionary}
        self.recipe: dict[str, Any] | None = None if made is None else own

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give float32 rows ``(len(texts), length, dim)`` on the CPU; those behind a text's last are zero."""
        texts = clean_texts(texts)
        rows = torch.zeros(len(texts), self.length, self.dim)
        if not texts:
            return rows
        rows[:, 0] = self.encoder.encode(texts)
        for row, states in zip(rows[:, 1:], self._states(texts), strict=True):
            parts = states.tensor_split(min(len(states), len(row))) if len(states) else ()
            for place, part in enumerate(parts):
                row[place] = part.mean(0)
        return rows

    def _states(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Give ``(S_i, dim)`` for each text."""
        if hasattr(self.encoder, "encode_states"):
            return self.encoder.encode_states(texts)
        parts = [_parts(text, self.dictionary) for text in texts]
        different = list(dict.fromkeys(part for row in parts for part in row))
        vectors = dict(zip(different, self.encoder.encode(different), strict=True)) if different else {}
        return [torch.stack([vectors[part] for part in row]) if row else torch.zeros(0, self.dim) for row in parts]


def _parts(text: str, dictionary: bool) -> list[str]:
    """Cut a text into its clauses, and those into words."""
    clauses = [clause.strip() for clause in _CLAUSE_END.split(text) if clause.strip()]
    words = [word for word, kind in tag_korean(text) if kind not in ("ADP", "AUX")] if dictionary else []
    return clauses + (words or [word for clause in clauses for word in clause.split()])
