"""From Korean text to motion in one object: text encoder, transformer, tokenizer."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError, DataError
from ..features import joints_to_features
from ..io.files import read_json, write_json
from ..skeletons import Skeleton
from ..text.encoders import EmbeddedTextEncoder, TextEncoder, clean_texts
from ..types import Cue, Motion
from ..vq import MotionTokenizer
from .placing import go_on
from .sampling import batches, generate, stream
from .talk import number_of_frames, read_talk, token_spans
from .transformer import MotionTransformer

__all__ = ["UtteranceToMotion"]

_KIND = "utterance_to_motion"
_CHUNK = 1024  # tokens decoded at once


class UtteranceToMotion:
    """Text in, motion out.

    Parameters
    ----------
    tokenizer : MotionTokenizer
    transformer : MotionTransformer
    text_encoder : TextEncoder
        The one the transformer was trained with.

    Attributes
    ----------
    fps : float
    skeleton : Skeleton
        Both of the tokenizer.

    Raises
    ------
    CheckpointError
        If the three do not belong together: sizes, the tokenizer's
        fingerprint or the text encoder's identity differ.

    Examples
    --------
    >>> from ktube_motion.gpt import TransformerConfig
    >>> from ktube_motion.vq import TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> transformer = MotionTransformer(TransformerConfig(num_codes=8, width=32, num_layers=1, num_heads=4))
    >>> pipeline = UtteranceToMotion(tokenizer, transformer, EmbeddedTextEncoder())
    >>> motion, = pipeline.generate(["오른손을 들어 인사한다"], seconds=2.05)
    >>> motion.num_frames, motion.name
    (41, '오른손을 들어 인사한다')
    """

    def __init__(self, tokenizer: MotionTokenizer, transformer: MotionTransformer, text_encoder: TextEncoder):
        self.tokenizer, self.transformer, self.text_encoder = tokenizer, transformer, text_encoder
        _check_fit(tokenizer, transformer, text_encoder)
        self.fps = tokenizer.config.fps
        self.skeleton = Skeleton.named(tokenizer.config.skeleton)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, text_encoder: TextEncoder | None = None, map_location="cpu"
    ) -> "UtteranceToMotion":
        """Load a folder with ``tokenizer/``, ``transformer/`` and ``pipeline.json``.

        Parameters
        ----------
        folder : path
            As `save_pretrained` writes it.
        text_encoder : TextEncoder, optional
            Needed unless the folder was made with `EmbeddedTextEncoder`.
        map_location : str or torch.device

        Returns
        -------
        pipeline : UtteranceToMotion

        Raises
        ------
        CheckpointError
            If a part is missing, or the parts do not belong together.
        """
        path = Path(folder) / "pipeline.json"
        if not path.is_file():
            raise CheckpointError("This is no pipeline folder.", where=folder, expected="a file pipeline.json")
        written = read_json(path)
        if not isinstance(written, dict) or written.get("kind") != _KIND:
            raise CheckpointError("This is another kind of folder.", where=path, expected=f"kind {_KIND}")
        identity = written.get("text_encoder", "")
        if text_encoder is None:
            if identity != EmbeddedTextEncoder.identity:
                raise CheckpointError(
                    "This pipeline needs its text encoder.", where=path, expected=identity, fix="Pass text_encoder=…"
                )
            text_encoder = EmbeddedTextEncoder()
        if text_encoder.identity != identity:
            raise CheckpointError(
                "This is another text encoder.", where=path, expected=identity, found=text_encoder.identity
            )
        tokenizer = MotionTokenizer.from_pretrained(Path(folder) / "tokenizer", map_location=map_location)
        transformer = MotionTransformer.from_pretrained(Path(folder) / "transformer", map_location=map_location)
        return cls(tokenizer, transformer, text_encoder)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write tokenizer, transformer and the text encoder's identity (not the encoder) to a folder."""
        self.tokenizer.save_pretrained(Path(folder) / "tokenizer")
        self.transformer.save_pretrained(Path(folder) / "transformer")
        write_json(Path(folder) / "pipeline.json", {"kind": _KIND, "text_encoder": self.text_encoder.identity})

    def generate(
        self,
        texts: Sequence[str],
        *,
        seconds: float | Sequence[float] | None = None,
        prefix: Motion | torch.Tensor | Sequence[torch.Tensor] | None = None,
        **sampling,
    ) -> list[Motion]:
        """Make a motion for each text.

        Parameters
        ----------
        texts : sequence of str
        seconds : float or sequence of float, optional
            Exact length, to the nearest frame; by default the model ends by itself.
        prefix : Motion, or tokens as for `ktube_motion.gpt.generate`, optional
            What came before. The result goes on from there, without a jump, in
            the coordinates of the prefix's own start.
        **sampling
            temperature, top_k, top_p, guidance_scale, max_tokens, min_tokens,
            generator, seeds, batch_size: see `ktube_motion.gpt.generate`.

        Returns
        -------
        motions : list of Motion
            With positions, named after their texts.

        Raises
        ------
        DataError
            If a text is blank, a length is not positive, or the prefix does not fit.
        ConfigError
            If options cannot work, or a length is beyond `MAX_SECONDS`.
        """
        names = clean_texts(texts)
        frames = None
        if seconds is not None and sampling.get("num_tokens") is not None:
            raise ConfigError("seconds and num_tokens both give the length.", fix="Pass one of them.")
        if seconds is not None:
            frames = self._frames_for(seconds, len(names))
            sampling["num_tokens"] = [self._tokens_for(count) for count in frames]
        before = self._prefix_tokens(prefix, len(names))
        tokens = generate(self.transformer, self.text_encoder.encode(names), prefix=before, **sampling)
        return self._decode(tokens, frames, names, before)

    def speak(
        self,
        talk: str | Path | Iterable[Cue],
        *,
        seconds: float | None = None,
        syllables_per_second: float = 4.5,
        context: int = 8,
        generator: torch.Generator | None = None,
        **sampling,
    ) -> Motion:
        """Make one continuous motion for a whole talk.

        Parameters
        ----------
        talk : str, Path or iterable of Cue
            A paragraph; a transcript file (a `Path`, or a name ending in
            ``.srt``, ``.vtt`` and the like); or cues with times in seconds.
            Cues are joined into utterances, `Utterance` objects stay as they are.
        seconds : float, optional
            Length of the whole; by default the transcript's end, or for a
            paragraph its syllables divided by `syllables_per_second`.
        syllables_per_second : float
            Speed of a paragraph, pauses included.
        context : int
            How many tokens of the utterance before are read on.
        generator : torch.Generator, optional
        **sampling
            temperature, top_k, top_p, guidance_scale: see `ktube_motion.gpt.generate`.

        Returns
        -------
        motion : Motion
            Frame 0 is second 0 of the transcript. Each utterance rules from
            its start to the start of the next, pauses included; the first
            also rules the time before it.

        Raises
        ------
        DataError
            If nothing is said, or times or seconds cannot be.
        FormatError
            If the transcript cannot be read.

        Warns
        -----
        UserWarning
            If utterances are shorter than a token and so get no motion of their own.

        Notes
        -----
        The tokens of all utterances are decoded in one go, so a seam is a
        place like any other. Beside the result itself, memory does not grow
        with the talk.
        """
        if not 0 <= context <= self.transformer.config.max_tokens:
            limit = self.transformer.config.max_tokens
            raise ConfigError("context does not fit the model.", expected=f"0 to {limit}", found=context)
        name, spoken, seconds = read_talk(talk, seconds, syllables_per_second)
        frames = number_of_frames(seconds, self.fps)
        spans = token_spans(spoken, self._tokens_for(frames), self.fps / self.tokenizer.frames_per_token)
        unheard = sum(start == stop for start, stop in spans)
        if unheard:
            warnings.warn(f"{unheard} of {len(spans)} utterances are too short for a token.", stacklevel=2)
        vectors = self.text_encoder.encode([utterance.text for utterance in spoken])
        tokens = torch.zeros(0, dtype=torch.int64)
        for vector, (start, stop) in zip(vectors, spans, strict=True):
            before = tokens[max(0, len(tokens) - context) :]
            written = generate(
                self.transformer, vector[None], num_tokens=stop - start, prefix=before, generator=generator, **sampling
            )
            tokens = torch.cat((tokens, written[0]))
        return self._decode([tokens], [frames], [name], None)[0]

    def stream(self, text: str, *, seconds: float | None = None, lookahead: int = 1, **sampling) -> Iterator[Motion]:
        """Make motion for one text and give it piece by piece, as it comes.

        Parameters
        ----------
        text : str
        seconds : float, optional
            Exact length, to the nearest frame.
        lookahead : int
            Tokens that are awaited before a piece is given. A piece is
            decoded with only these after it, so more is smoother and later.
        **sampling
            temperature, top_k, top_p, guidance_scale, max_tokens, min_tokens,
            generator, seed: see `ktube_motion.gpt.stream`.

        Yields
        ------
        motion : Motion
            The next ``frames_per_token`` frames, in the coordinates of the first piece.

        Raises
        ------
        DataError, ConfigError
            As for `generate`.
        """
        (name,) = clean_texts([text])
        frames = None if seconds is None else number_of_frames(seconds, self.fps)
        if frames is not None:
            sampling["num_tokens"] = self._tokens_for(frames)
        if lookahead < 0:
            raise ConfigError("lookahead must not be negative.", found=lookahead)
        tokens = stream(self.transformer, self.text_encoder.encode([name])[0], **sampling)
        return self._pieces(tokens, frames, lookahead, name)

    def _pieces(self, tokens, frames, lookahead, name):
        per_token, reach = self.tokenizer.frames_per_token, self.tokenizer.decoder.reach
        read, first, given, last = [], 0, 0, None
        tokens = iter(tokens)
        ended = False
        while not ended or given < first + len(read):
            if not ended:
                token = next(tokens, None)
                ended = token is None
                read += [] if ended else [token]
            if given >= first + len(read) - (0 if ended else lookahead):
                continue
            # Tokens further back than the decoder sees are forgotten.
            gone = max(0, given - reach - first)
            read, first = read[gone:], first + gone
            window = self.tokenizer.decode(torch.tensor(read, device=self.tokenizer.mean.device)).cpu()
            piece = window[(given - first) * per_token :][:per_token]
            joints, last = go_on(piece[None], last, self.skeleton)
            left = None if frames is None else frames - given * per_token
            yield Motion(skeleton=self.skeleton, positions=joints[0, :left].numpy(), fps=self.fps, name=name)
            given += 1

    def _frames_for(self, seconds, count):
        wanted = [seconds] * count if np.ndim(seconds) == 0 else list(seconds)
        if len(wanted) != count:
            raise ConfigError("seconds does not fit the texts.", expected=count, found=len(wanted))
        return [number_of_frames(value, self.fps) for value in wanted]

    def _tokens_for(self, frames):
        return -(-frames // self.tokenizer.frames_per_token)

    def _prefix_tokens(self, prefix, count):
        """Give tokens of what came before, one 1-D tensor per text, or None."""
        if prefix is None:
            return None
        if not isinstance(prefix, Motion):
            one = isinstance(prefix, torch.Tensor) and prefix.ndim == 1
            return [prefix] * count if one else list(prefix)
        if prefix.skeleton.name != self.skeleton.name or prefix.fps != self.fps:
            raise DataError(
                "The prefix does not fit the tokenizer.",
                expected=f"{self.skeleton.name} at {self.fps:g} fps",
                found=f"{prefix.skeleton.name} at {prefix.fps:g} fps",
                fix="Use ktube_motion.filters.resample, or another skeleton.",
            )
        if prefix.positions is None:
            raise DataError("The prefix has no positions.", fix="Use ktube_motion.kinematics.forward_kinematics.")
        features = joints_to_features(np.array(prefix.positions), skeleton=self.skeleton)
        return [torch.as_tensor(self.tokenizer.encode(features))] * count

    def _decode(self, tokens, frames, names, before):
        """Decode all tokens, of whatever lengths, and cut off the prefix and what is over."""
        per_token = self.tokenizer.frames_per_token
        starts = [0] * len(tokens)
        if before is not None:
            starts = [len(row) * per_token for row in before]
            tokens = [torch.cat((old.cpu().long(), new)) for old, new in zip(before, tokens, strict=True)]
        positions = [None] * len(tokens)
        for rows in batches([len(line) for line in tokens], _CHUNK):
            for row, joints in zip(rows, self._joints(torch.stack([tokens[row] for row in rows])), strict=True):
                stop = len(joints) if frames is None else starts[row] + frames[row]
                positions[row] = joints[starts[row] : stop]
        return [
            Motion(skeleton=self.skeleton, positions=joints, fps=self.fps, name=name)
            for joints, name in zip(positions, names, strict=True)
        ]

    def _joints(self, tokens):
        """Decode tokens ``(B, L)`` to joints ``(B, T, J, 3)``; long motion in pieces that do not show."""
        per_token, reach = self.tokenizer.frames_per_token, self.tokenizer.decoder.reach
        count, length = tokens.shape
        joints = np.empty((count, length * per_token, self.skeleton.num_joints, 3), np.float32)
        # Group norm looks at the clip as a whole, which therefore cannot be cut.
        chunk = max(length, 1) if self.tokenizer.config.norm == "GN" else _CHUNK
        last = None
        for start in range(0, length, chunk):
            first, stop = max(0, start - reach), min(length, start + chunk)
            window = self.tokenizer.decode(tokens[:, first : stop + reach].to(self.tokenizer.mean.device)).cpu()
            wanted = window[:, (start - first) * per_token : (stop - first) * per_token]
            piece, last = go_on(wanted, last, self.skeleton)
            joints[:, start * per_token : stop * per_token] = piece.numpy()
        return joints


def _check_fit(tokenizer, transformer, text_encoder):
    """Raise `CheckpointError`, naming both sides, unless the three belong together."""
    ours, theirs = transformer.config, tokenizer.config
    if theirs.num_quantizers != 1:
        raise CheckpointError("The transformer writes one code a token.", found=f"{theirs.num_quantizers} quantizers")
    pairs = [
        ("number of codes", ours.num_codes, theirs.num_codes, "tokenizer"),
        ("frames per token", ours.frames_per_token, tokenizer.frames_per_token, "tokenizer"),
        ("tokenizer", ours.tokenizer, tokenizer.fingerprint if ours.tokenizer else "", "tokenizer"),
        ("size of the text vector", ours.text_dim, text_encoder.dim, "text encoder"),
        ("text encoder", ours.text_encoder, text_encoder.identity if ours.text_encoder else "", "text encoder"),
    ]
    for what, wanted, found, part in pairs:
        if wanted != found:
            raise CheckpointError(
                f"Transformer and {part} do not belong together: their {what} differs.",
                expected=f"{wanted}, as the transformer was trained with",
                found=f"{found}, as this {part} has",
            )
