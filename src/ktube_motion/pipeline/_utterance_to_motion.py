"""From Korean text to motion in one object: text encoder, transformer, tokenizer."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, DataError
from ..gpt._sampling import generate, stream
from ..gpt._transformer import MotionTransformer
from ..io._word_times import check_times
from ..kinematics import finish as finish_clip
from ..skeletons import Skeleton
from ..text import TextEncoder, WordEncoder, clean_texts
from ..text import word_encoder as make_word_encoder
from ..text._timing import SYLLABLES_PER_SECOND
from ..text._tracks import live_word_encoder
from ..types import Cue, Motion, Word
from ..vq import MotionTokenizer
from ._decoding import decode_rows, decode_stream
from ._hearing import LEAD_IN, hear, spoken_words, warn_of_misfits, words_of_talk
from ._in_betweening import write_between
from ._joining import Before, Neighbour, check_neighbour, end_of, prefixes, start_of
from ._parts import check_parts, load_parts, save_parts
from ._sharing import SharedPipeline
from ._talk import number_of_frames, read_talk, token_spans

__all__ = ["UtteranceToMotion"]

_CONTEXT = 4  # more is hardly smoother, and what was done before then outweighs what is said now
_TEXTS = 64  # utterances of a talk that are encoded at once


class UtteranceToMotion(SharedPipeline):
    """Text in, motion out.

    Parameters
    ----------
    tokenizer : MotionTokenizer
    transformer : MotionTransformer
    text_encoder : TextEncoder
        The one the transformer was trained with.
    word_encoder : WordEncoder, optional
        The same, for a transformer that hears words in time; by default what `text.word_encoder` makes of
        the text encoder.
    sampling : mapping, optional
        What `generate`, `speak`, `stream` and `in_between` sample with unless they are told otherwise, as
        ``{"top_p": 0.9}``. It is saved with the pipeline.

    Attributes
    ----------
    fps : float
    skeleton : Skeleton
        Both of the tokenizer.
    hears_words : bool
        Whether the transformer was trained with words in time: then gestures come on their words, and every
        motion lasts as long as what is said.
    seconds_ahead : float
        How long before it is said a word must be known to `stream`, so that its gesture can begin in time:
        what the transformer hears ahead, and the piece of motion that is decoded.

    Raises
    ------
    CheckpointError
        If the parts do not belong together: sizes, the tokenizer's
        fingerprint or the text encoder's identity differ.

    Examples
    --------
    >>> from ktube_motion.gpt import TransformerConfig
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> from ktube_motion.vq import TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> transformer = MotionTransformer(TransformerConfig(num_codes=8, width=32, num_layers=1, num_heads=4))
    >>> pipeline = UtteranceToMotion(tokenizer, transformer, EmbeddedTextEncoder())
    >>> motion, = pipeline.generate(["오른손을 들어 인사한다"], seconds=2.05)
    >>> motion.num_frames, motion.name
    (41, '오른손을 들어 인사한다')
    """

    tokenizer: MotionTokenizer
    transformer: MotionTransformer
    text_encoder: TextEncoder
    word_encoder: WordEncoder | None
    hears_words: bool
    fps: float
    skeleton: Skeleton

    def __init__(
        self,
        tokenizer: MotionTokenizer,
        transformer: MotionTransformer,
        text_encoder: TextEncoder,
        *,
        word_encoder: WordEncoder | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> None:
        self.sampling: dict[str, Any] = dict(sampling or {})
        self.tokenizer, self.transformer, self.text_encoder = tokenizer, transformer, text_encoder
        self.hears_words = transformer.config.word_dim > 0
        if word_encoder is None and self.hears_words:
            word_encoder = make_word_encoder(text_encoder, identity=transformer.config.word_encoder)
        self.word_encoder = word_encoder if self.hears_words else None
        check_parts(tokenizer, transformer, text_encoder, self.word_encoder)
        self.fps = tokenizer.config.fps
        self.skeleton = Skeleton.named(tokenizer.config.skeleton)

    @property
    def seconds_ahead(self) -> float:
        """Seconds before it is said in which a word must be known; 0 where words have no times."""
        config = self.transformer.config
        return (config.word_ahead + 2) * config.frames_per_token / self.fps if self.hears_words else 0.0

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        text_encoder: TextEncoder | None = None,
        map_location: str | torch.device = "cpu",
        **hub: Any,
    ) -> "UtteranceToMotion":
        """Load a folder with ``tokenizer/``, ``transformer/`` and ``pipeline.json``.

        Parameters
        ----------
        folder : path or str
            As `save_pretrained` writes it; ``"sample-speaker"``, which comes with the library; or, where there is no
            such folder, a hub id as ``"user/model"``.
        text_encoder : TextEncoder, optional
            Needed where the folder does not bring it back: its files are not here, or it has no recipe.
        map_location : str or torch.device
        **hub
            revision, token, cache_dir, local_files_only: as `huggingface_hub.snapshot_download` has them.

        Returns
        -------
        pipeline : UtteranceToMotion

        Raises
        ------
        CheckpointError
            If a part is missing, or the parts do not belong together.
        """
        tokenizer, transformer, encoder, sampling = load_parts(folder, text_encoder, map_location, **hub)
        return cls(tokenizer, transformer, encoder, sampling=sampling)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write tokenizer, transformer and the text encoder's recipe (an aligned one whole) to a folder."""
        save_parts(folder, self.tokenizer, self.transformer, self.text_encoder, self.sampling)

    def generate(
        self,
        texts: Sequence[str | Cue],
        *,
        seconds: float | Sequence[float] | None = None,
        prefix: Motion | torch.Tensor | Sequence[torch.Tensor] | None = None,
        context: int = _CONTEXT,
        finish: bool = False,
        **sampling: Any,
    ) -> list[Motion]:
        """Make a motion for each text.

        Parameters
        ----------
        texts : sequence of str, Cue or Utterance
            The words of a cue say when each is spoken; those of a text are estimated.
        seconds : float or sequence of float, optional
            Exact length, to the nearest frame; by default that of a cue. A text lasts as long as it takes to say
            it where the transformer hears words, and 0.6 s before where it has no past, in which the gesture of its
            first word is prepared; where it hears none, the model ends by itself.
        prefix : Motion, or tokens as for `ktube_motion.gpt.generate`, optional
            What came before. The result goes on from there without a jump:
            from a motion's last frame, wherever that is, with its bones; or in
            the coordinates that the tokens decode to.
        context : int
            How many tokens of a motion the transformer reads on; of tokens it reads all it can.
        finish : bool
            Give bones one length and let feet stay where they stand, with `kinematics.finish`. What is written is
            the same; a seam with `prefix` is then no longer exact.
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
            If a text is blank, a length is not positive, times or words cannot be, or the prefix does not fit.
        ConfigError
            If options cannot work, or a length is beyond `MAX_SECONDS`.

        Warns
        -----
        UserWarning
            If the words of a cue are not those of its text, out of order or outside of it: their times are estimated.
        """
        names = _names(texts)
        lead_in = LEAD_IN if prefix is None else 0.0
        frames = self._frames_for(texts, seconds, sampling.get("num_tokens"), lead_in)
        self._check_context(context)
        before = None if prefix is None else prefixes(prefix, len(names), self.tokenizer, context)
        read = None if before is None else [row.read for row in before]
        tokens = self._write(texts, names, frames, read, sampling)
        motions = self._decode(tokens, frames, names, before)
        return [_finished(motion) for motion in motions] if finish else motions

    def write(
        self, texts: Sequence[str | Cue], *, seconds: float | Sequence[float] | None = None, **sampling: Any
    ) -> list[torch.Tensor]:
        """Write the motion tokens of each text: what `generate` decodes.

        Parameters
        ----------
        texts, seconds, **sampling
            As for `generate`.

        Returns
        -------
        tokens : list of int64 tensor [shape=(L_i,)]
        """
        names, num_tokens = _names(texts), sampling.get("num_tokens")
        return self._write(texts, names, self._frames_for(texts, seconds, num_tokens, LEAD_IN), None, sampling)

    def _write(
        self,
        texts: Sequence[str | Cue],
        names: list[str],
        frames: list[int] | None,
        read: list[torch.Tensor] | None,
        sampling: dict[str, Any],
    ) -> list[torch.Tensor]:
        if frames is not None:
            sampling = sampling | {"num_tokens": [self._tokens_for(count) for count in frames]}
        if self.hears_words:
            warn_of_misfits(texts, stacklevel=3)
            tracks = []
            for row, (text, count) in enumerate(zip(texts, frames or [], strict=True)):
                words, seconds = spoken_words(text, count / self.fps, lead_in=LEAD_IN if read is None else 0.0)
                tracks.append(self._track(words, seconds, 0 if read is None else len(read[row])))
            sampling = sampling | {"words": tracks}
        different = {name: row for row, name in enumerate(dict.fromkeys(names))}
        vectors = self.text_encoder.encode(list(different))[[different[name] for name in names]]
        return generate(self.transformer, vectors, prefix=read, **self.sampling | sampling)

    def speak(
        self,
        talk: str | Path | Iterable[Cue],
        *,
        seconds: float | None = None,
        syllables_per_second: float = SYLLABLES_PER_SECOND,
        context: int = _CONTEXT,
        finish: bool = False,
        generator: torch.Generator | None = None,
        **sampling: Any,
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
            paragraph what it takes to say it, and where the transformer hears words 0.6 s before, in which the
            first gesture is prepared.
        syllables_per_second : float
            Speed of a paragraph; pauses come on top.
        context : int
            How many tokens of the utterance before are read on, where the transformer hears no words. One that
            does goes on through the talk, and utterances have no borders.
        finish : bool
            Give bones one length and let feet stay where they stand, with `kinematics.finish`.
        generator : torch.Generator, optional
        **sampling
            temperature, top_k, top_p, guidance_scale: see `ktube_motion.gpt.generate`.

        Returns
        -------
        motion : Motion
            Frame 0 is second 0 of the transcript. Gestures come on their words where the transformer hears them;
            else each utterance rules from its start to the start of the next, pauses included, and the first
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
            If utterances are shorter than a token and so get no motion of their own, or have words whose times
            cannot be theirs: those are estimated.

        Notes
        -----
        The tokens of all utterances are decoded in one go, so a seam is a
        place like any other. Beside the result itself, memory does not grow
        with the talk.
        """
        self._check_context(context)
        lead_in = LEAD_IN if self.hears_words else 0.0
        name, spoken, seconds = read_talk(talk, seconds, syllables_per_second, lead_in=lead_in)
        frames = number_of_frames(seconds, self.fps)
        if self.hears_words:
            if unheard := sum(utterance.end == utterance.start for utterance in spoken):
                warnings.warn(f"{unheard} of {len(spoken)} utterances last no time, and are not heard.", stacklevel=2)
            rows = self._hear(words_of_talk(spoken), frames / self.fps)
            heard = stream(self.transformer, None, words=rows, generator=generator, **self.sampling | sampling)
            motion = self._decode([torch.tensor(list(heard))], [frames], [name], None)[0]
            return _finished(motion) if finish else motion
        spans = token_spans(spoken, self._tokens_for(frames), self.fps / self.tokenizer.frames_per_token)
        unheard = sum(start == stop for start, stop in spans)
        if unheard:
            warnings.warn(f"{unheard} of {len(spans)} utterances are too short for a token.", stacklevel=2)
        tokens, sampling = torch.zeros(0, dtype=torch.int64), self.sampling | sampling
        for vector, (start, stop) in zip(self._vectors(spoken), spans, strict=True):
            before = tokens[max(0, len(tokens) - context) :]
            written = generate(
                self.transformer, vector[None], num_tokens=stop - start, prefix=before, generator=generator, **sampling
            )
            tokens = torch.cat((tokens, written[0]))
        motion = self._decode([tokens], [frames], [name], None)[0]
        return _finished(motion) if finish else motion

    def stream(
        self,
        text: str | Cue | Iterable[Word | float],
        *,
        seconds: float | None = None,
        lookahead: int = 1,
        prefix: Motion | torch.Tensor | None = None,
        context: int = _CONTEXT,
        **sampling: Any,
    ) -> Iterator[Motion]:
        """Make motion and give it piece by piece, as its words come.

        Parameters
        ----------
        text : str, Cue, or iterable of Word or float
            One text; or words as they arrive, for a transformer that hears them: what the word marks of a speech
            synthesiser give, by their start. A number among them says that nothing more begins before this
            second, so that a pause goes on in motion. A piece is given as soon as the words up to `seconds_ahead`
            after it are known; the stream may run for hours, in flat memory.
        seconds : float, optional
            Exact length, to the nearest frame; by default to the end of the last word.
        lookahead : int
            Tokens that are awaited before a piece is given. A piece is
            decoded with only these after it, so more is smoother and later.
        prefix, context
            As for `generate`: what came before.
        **sampling
            temperature, top_k, top_p, guidance_scale, max_tokens, min_tokens,
            generator, seed: see `ktube_motion.gpt.stream`.

        Yields
        ------
        motion : Motion
            The next ``frames_per_token`` frames, in the coordinates of the
            prefix, or of the first piece.

        Raises
        ------
        DataError, ConfigError
            As for `generate`.
        """
        frames = None if seconds is None else number_of_frames(seconds, self.fps)
        if frames is not None:
            sampling["num_tokens"] = self._tokens_for(frames)
        if lookahead < 0:
            raise ConfigError("lookahead must not be negative.", found=lookahead)
        self._check_context(context)
        before = None if prefix is None else prefixes(prefix, 1, self.tokenizer, context)[0]
        read = None if before is None else before.read
        name, vector = "", None
        words: Any = text
        if isinstance(text, (str, Cue)):
            (name,) = clean_texts([_text_of(text)])
            vector = self.text_encoder.encode([name])[0]
            if self.hears_words:
                warn_of_misfits([text], stacklevel=2)
                words, seconds = spoken_words(text, seconds, lead_in=LEAD_IN if read is None else 0.0)
        elif not self.hears_words:
            raise ConfigError("This model hears no words.", fix="Pass a text, or a model trained with a word encoder.")
        if self.hears_words:
            unknown = torch.zeros(0 if read is None else len(read), self.transformer.config.word_dim)
            sampling["words"] = chain(unknown, self._hear(words, seconds, live=True))
        tokens = stream(self.transformer, vector, prefix=read, **self.sampling | sampling)
        pieces = decode_stream(self.tokenizer, self.skeleton, tokens, lookahead=lookahead, before=before)
        return self._cut(pieces, frames, name)

    def in_between(
        self,
        text: str | Cue,
        before: Motion,
        after: Motion,
        *,
        seconds: float,
        steer: bool = True,
        candidates: int = 16,
        context: int = _CONTEXT,
        generator: torch.Generator | None = None,
        **sampling: Any,
    ) -> Motion:
        """Make the motion between two others.

        Parameters
        ----------
        text : str or Cue
            What is said in between.
        before, after : Motion
            With positions, of the tokenizer's skeleton and rate.
        seconds : float
            Exact length, to the nearest frame.
        steer : bool
            `after` stays where it is, and the path is bent to arrive there. If
            False, the path is the one the model wrote: then
            ``place_after(between, after)`` takes `after` to where it arrives.
        candidates : int
            So many candidates are written; the one that must be corrected least to arrive is taken.
        context : int
            How many tokens of `before` the transformer reads.
        generator : torch.Generator, optional
        **sampling
            temperature, top_k, top_p, guidance_scale: see `ktube_motion.gpt.generate`.

        Returns
        -------
        motion : Motion
            ``before + motion + after`` is one continuous motion.

        Raises
        ------
        DataError
            If the text is blank, the length is not positive, or a motion does not fit or is too short.
        ConfigError
            If options cannot work, or the length is beyond `MAX_SECONDS`.

        Notes
        -----
        All three are decoded in one go, on the body of `before`. What is wrong
        about the known frames dies out within 0.4 s of each seam, and so does
        the difference to the body of `after`. A bent path makes feet slide
        when `after` is far from where the model walks to: take it there first,
        with ``place_after(before, after)``, if its place does not matter.

        Examples
        --------
        >>> pipeline = UtteranceToMotion.from_pretrained("output/quickstart/pipeline")  # doctest: +SKIP
        >>> between = pipeline.in_between("왼손을 흔들어요", clip[:40], clip[80:], seconds=2.0)  # doctest: +SKIP
        """
        (name,) = clean_texts([_text_of(text)])
        frames = number_of_frames(seconds, self.fps)
        self._check_context(context)
        if candidates < 1:
            raise ConfigError("candidates must be positive.", found=candidates)
        check_neighbour(before, self.tokenizer, "motion before")
        check_neighbour(after, self.tokenizer, "motion after")
        first = end_of(before, self.tokenizer, context=context)
        last = start_of(after, self.tokenizer, context=1)
        num_tokens = max(1, round(frames / self.tokenizer.frames_per_token))
        if self.hears_words:
            warn_of_misfits([text], stacklevel=2)
            length = num_tokens * self.tokenizer.frames_per_token / self.fps
            said = spoken_words(text, length)[0]
            sampling["words"] = [self._track(said, length, len(first.read))] * candidates
        tokens = generate(
            self.transformer,
            self.text_encoder.encode([name] * candidates),
            num_tokens=num_tokens,
            prefix=first.read,
            generator=generator,
            **self.sampling | sampling,
        )
        return self._motion(
            write_between(self.tokenizer, self.skeleton, first, last, torch.stack(tokens), frames, steer=steer), name
        )

    def _motion(self, positions: np.ndarray, name: str) -> Motion:
        return Motion(skeleton=self.skeleton, positions=positions, fps=self.fps, name=name)

    def _cut(self, pieces: Iterable[np.ndarray], frames: int | None, name: str) -> Iterator[Motion]:
        for positions in pieces:
            yield self._motion(positions[:frames], name)
            frames = None if frames is None else frames - len(positions)

    def _check_context(self, context: int) -> None:
        limit = self.transformer.config.max_tokens
        if not isinstance(context, (int, np.integer)) or not 0 <= context <= limit:
            raise ConfigError("context does not fit the model.", expected=f"0 to {limit}", found=context)

    def _frames_for(
        self, texts: Sequence[str | Cue], seconds: float | Sequence[float] | None, num_tokens: Any, lead_in: float
    ) -> list[int] | None:
        """Give the length of each text, or None where the model shall end by itself."""
        count = len(texts)
        if seconds is not None and num_tokens is not None:
            raise ConfigError("seconds and num_tokens both give the length.", fix="Pass one of them.")
        if seconds is not None:
            lengths: Any = seconds
            wanted: list[float] = [lengths] * count if np.ndim(lengths) == 0 else list(lengths)
            if len(wanted) != count:
                raise ConfigError("seconds does not fit the texts.", expected=count, found=len(wanted))
            return [number_of_frames(value, self.fps) for value in wanted]
        if num_tokens is not None:
            tokens = np.broadcast_to(num_tokens, count).tolist() if self.hears_words else None
            return tokens and [value * self.tokenizer.frames_per_token for value in tokens]
        cues = [text for text in texts if isinstance(text, Cue)]
        check_times(cues)
        if (wrong := next((cue for cue in cues if cue.end < cue.start), None)) is not None:
            raise DataError(
                "A cue ends before it begins.", found=f"{wrong.start} to {wrong.end} for {wrong.text[:40]!r}"
            )
        timed = [isinstance(text, Cue) and text.end > text.start for text in texts]
        if not self.hears_words and any(timed) and not all(timed):
            raise ConfigError("Some texts have a length and some have none.", fix="Pass seconds for all.")
        if not self.hears_words and not any(timed):
            return None
        return [number_of_frames(spoken_words(text, lead_in=lead_in)[1], self.fps) for text in texts]

    def _hear(
        self, words: Iterable[Word | float], seconds: float | None, *, live: bool = False
    ) -> Iterator[torch.Tensor]:
        if self.word_encoder is None:
            raise ConfigError("This pipeline hears no words.", fix="Build it with a word_encoder.")
        encoder = live_word_encoder(self.word_encoder) if live else self.word_encoder
        rate = self.fps / self.tokenizer.frames_per_token
        return hear(words, encoder, tokens_per_second=rate, seconds=seconds)

    def _track(self, words: Iterable[Word | float], seconds: float | None, before: int) -> torch.Tensor:
        """Give the rows of what is said in some seconds, behind those of tokens of which nothing is known."""
        unknown = torch.zeros(before, self.transformer.config.word_dim)
        return torch.cat((unknown, torch.stack(list(self._hear(words, seconds)))))

    def _tokens_for(self, frames: int) -> int:
        return -(-frames // self.tokenizer.frames_per_token)

    def _vectors(self, spoken: Sequence[Cue]) -> Iterator[torch.Tensor]:
        """Yield the text features of utterances; few at a time, for a long talk's would outweigh its motion."""
        for start in range(0, len(spoken), _TEXTS):
            yield from self.text_encoder.encode([utterance.text for utterance in spoken[start : start + _TEXTS]])

    def _decode(
        self,
        tokens: Sequence[torch.Tensor],
        frames: Sequence[int] | None,
        names: Sequence[str],
        before: Sequence[Before] | None,
    ) -> list[Motion]:
        """Decode all tokens, of whatever lengths, and cut off the prefix and what is over."""
        if before is not None:
            tokens = [torch.cat((old.tokens.long(), new)) for old, new in zip(before, tokens, strict=True)]
        motions = []
        for row, joints in enumerate(decode_rows(self.tokenizer, self.skeleton, tokens)):
            if before is not None:
                old, start = before[row], len(before[row].tokens) * self.tokenizer.frames_per_token
                joints = old.continued(joints[start - 2 :]) if isinstance(old, Neighbour) else joints[start:]
            motions.append(self._motion(joints if frames is None else joints[: frames[row]], names[row]))
        return motions


def _finished(motion: Motion) -> Motion:
    return finish_clip(motion)[0] if len(motion) else motion


def _text_of(text: str | Cue) -> str:
    return text.text if isinstance(text, Cue) else text


def _names(texts: Sequence[str | Cue]) -> list[str]:
    """Give the texts as they are encoded; those of cues are what is said in them."""
    return clean_texts(texts if isinstance(texts, (str, bytes)) else [_text_of(text) for text in texts])
