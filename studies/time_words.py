"""How well is it known when a word is said? Estimates from subtitles, and words found in the sound, against truth.

    python studies/time_words.py --talks 6

The talks are made up and say when each word is said. Their sound is eSpeak NG's in other voices than the aligner's,
each word stretched to its true length, with noise; the subtitles are up to 0.3 s early or late. What is measured is
the beginning of each word. The table is in time_words.csv and in docs/data.rst.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
from study import run

from ktube_motion.io._files import atomic_path
from ktube_motion.samples import make_speaker
from ktube_motion.text import align_words, estimate_words
from ktube_motion.text._speech import KoreanVoice
from ktube_motion.types import Cue

VOICES = ("ko+f3", "ko+m4", "ko+f2", "ko+m7")
NOISE_DB = (30, 20, 10)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--talks", type=int, default=6, help="made-up talks of 18 sentences")
    parser.add_argument("--late", type=float, default=0.3, help="seconds that a subtitle is at most early or late")
    parser.add_argument("--output", type=Path, default=Path("output/word_times"))
    return parser.parse_args()


def say(cues, seconds, voice, noise_db, rng):
    """Say every word at its time."""
    rate = voice.sample_rate
    samples = np.zeros(round(seconds * rate), np.float32)
    for word in (word for cue in cues for word in cue.words):
        said = voice.say("".join(filter(str.isalnum, word.text)))
        said = librosa.effects.time_stretch(said, rate=len(said) / rate / (word.end - word.start))
        first = round(word.start * rate)
        samples[first : first + len(said)] += said[: len(samples) - first]
    loud = np.sqrt(np.mean(np.square(samples[np.abs(samples) > 0.01])))
    return samples + rng.normal(0, loud * 10 ** (-noise_db / 20), len(samples)).astype(np.float32), rate


def shifted(cues, late, rng):
    """Show each cue early or late, still apart from the others, without word times."""
    moved = [replace(cue, start=max(cue.start + by, 0), end=cue.end + by, words=())
             for cue, by in zip(cues, rng.uniform(-late, late, len(cues)), strict=True)]  # fmt: skip
    ends = [*(cue.start for cue in moved[1:]), np.inf]
    return [replace(cue, end=min(cue.end, end)) for cue, end in zip(moved, ends, strict=True)]


def estimated(cues):
    return [replace(cue, words=estimate_words(cue.text, cue.start, cue.end)) for cue in cues]


def errors(cues, truth):
    found, true = ([word.start for cue in side for word in cue.words] for side in (cues, truth))
    return np.abs(np.array(found) - np.array(true))


def shares(cues, truth):
    """The error of giving each word the same share of its cue."""
    starts = [cue.start + cue.seconds * i / len(told.words) for cue, told in zip(cues, truth, strict=True)
              for i in range(len(told.words))]  # fmt: skip
    return np.abs(np.array(starts) - [word.start for cue in truth for word in cue.words])


def measure(options):
    """Give the errors of every way, in seconds, and how many cues were aligned."""
    found: dict[str, list[np.ndarray]] = {}
    aligned: dict[str, list[int]] = {}
    for number in range(options.talks):
        rng = np.random.default_rng(number)
        speaker = make_speaker(seed=900 + number, person=number % 2)
        truth: list[Cue] = speaker.cues
        late = shifted(truth, options.late, rng)
        rows = {
            "equal shares": shares(truth, truth), "estimate": errors(estimated(truth), truth),
            f"equal shares, subtitles ±{options.late:g} s": shares(late, truth),
            f"estimate, subtitles ±{options.late:g} s": errors(estimated(late), truth),
        }  # fmt: skip
        with KoreanVoice(VOICES[number % len(VOICES)]) as voice:
            for noise in NOISE_DB:
                sound = say(truth, speaker.truth.seconds, voice, noise, rng)
                heard = align_words(late, sound)
                way = f"aligned, subtitles ±{options.late:g} s, noise at -{noise} dB"
                rows[way] = errors(heard.cues, truth)
                aligned.setdefault(way, []).append(heard.counts["aligned"] / len(truth))
        for way, off in rows.items():
            found.setdefault(way, []).append(off)
        print(f"talk {number + 1} of {options.talks}", flush=True)
    return found, aligned


def main():
    options = read_arguments()
    found, aligned = measure(options)
    columns = ["way", "median ms", "p90 ms", "max ms", "words", "cues aligned"]
    rows = []
    for way, parts in found.items():
        off = np.concatenate(parts) * 1000
        share = f"{np.mean(aligned[way]):.0%}" if way in aligned else ""
        rows.append([way, *(round(float(value)) for value in np.quantile(off, (0.5, 0.9, 1))), len(off), share])
    with atomic_path(options.output / "time_words.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    for row in [columns, *rows]:
        print(f"{row[0]:48}" + "".join(f"{value!s:>14}" for value in row[1:]))


if __name__ == "__main__":
    run(main)
