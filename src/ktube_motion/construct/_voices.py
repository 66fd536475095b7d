"""The words of a video: what the voice that belongs to the body says, and how much others say."""

from typing import TYPE_CHECKING, Any

from ..errors import FormatError
from ..io import clean_cues, normalize_text, read_transcript
from ..io._transcripts import main_speaker, tell_doubts
from ..types import Cue
from ._sources import Source

if TYPE_CHECKING:
    from ._build import BuildOptions

__all__ = ["spoken_cues"]


def spoken_cues(source: Source, options: "BuildOptions") -> tuple[list[Cue], dict[str, Any], list[str]]:
    """Read a source's transcript.

    Returns
    -------
    cues : list of Cue
        Of one voice: the one that the source or the build names, else the one that speaks longest.
    figures : dict
        ``cues``, the counts of `io.clean_cues` with ``skipped``, and ``words_end`` in seconds.
    warnings : list of str
        What was chosen, skipped and left out.

    Raises
    ------
    FormatError
        If the transcript cannot be read or nobody speaks in it.
    """
    transcript = read_transcript(source.transcript, offset=source.offset)
    cues, counts = clean_cues(transcript.cues)
    if not cues:
        raise FormatError("Empty transcript: nothing spoken in it.", where=source.transcript, found=counts)
    end, told = cues[-1].end, [*source.notes, *transcript.notes]
    if transcript.skipped:
        told.append(f"{source.name}: {len(transcript.skipped)} cues make no sense; the first: {transcript.skipped[0]}")
    told += [f"{source.name}: {text}" for text in tell_doubts(counts)]
    voices = {cue.speaker for cue in cues}
    if len(voices) > 1:
        named = normalize_text(source.speaker)
        voice = main_speaker(cues, wanted=named if named in voices else options.voice)
        every = sum(cue.seconds for cue in cues)
        cues, counts = clean_cues(transcript.cues, speaker=voice)
        told.append(
            f"{source.name}: of {len(voices)} voices {voice or 'the one without a label'} is taken, "
            f"{sum(cue.seconds for cue in cues):.0f} of {every:.0f} s; "
            f"{counts['other_speakers']} cues of others are left out"
        )
    figures = {name: count for name, count in {**counts, "skipped": len(transcript.skipped)}.items() if count}
    return cues, {"cues": figures, "words_end": round(end, 3)}, told
