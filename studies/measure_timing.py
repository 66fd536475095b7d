"""Does a gesture come on its word, and is it the right one?

    python studies/measure_timing.py
    python studies/measure_timing.py --speaker sample-speaker --talks 160

Makes talks of the sample speaker, trains a tokenizer and a transformer that hears the words in time, and lets it speak
talks of people it has not seen: in wordings of the training set, and in wordings that no training sees. When strokes
come and which gestures they are is judged by the motion alone, and real motion stands beside each figure. Everything
lies under output/timing; a call that was stopped goes on where it was. The table is in timing.csv, and in
docs/generation.rst. With --speaker a pipeline that is there speaks instead, on talks of people and of seeds by which
nothing of the speaker in the package was chosen, and nothing but the judge is trained.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from gesture_judge import COLUMNS, Judge
from study import run, write_table
from time_words import say

from ktube_motion.construct import BuildOptions, build_corpus, pair_sources
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate
from ktube_motion.io import Corpus
from ktube_motion.io._files import read_json, write_json
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.samples import make_speaker
from ktube_motion.text import (
    EmbeddedTextEncoder,
    WindowWordEncoder,
    align_words,
    estimate_words,
    timed_words,
    word_track,
)  # fmt: skip
from ktube_motion.text._speech import KoreanVoice
from ktube_motion.training import TokenizerTraining, TransformerTraining, train_tokenizer, train_transformer
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

STRANGERS = 1000  # the first of the people who speak those that are measured on


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/timing"))
    parser.add_argument("--speaker", help="a pipeline's name or folder, instead of one that is trained")
    parser.add_argument("--talks", type=int, default=96, help="to train on, each of another person, about 80 seconds")
    parser.add_argument("--measured", type=int, default=12, help="talks to measure on, for known and for new wordings")
    parser.add_argument("--utterances", type=int, default=18, help="of each talk")
    parser.add_argument("--steps", type=int, default=1500, help="training steps of the transformer; tokenizer: 4 x")
    parser.add_argument("--codes", type=int, default=512)
    parser.add_argument("--width", type=int, default=192, help="of the transformer")
    parser.add_argument("--top-p", type=float, default=0.9, help="a speaker draws as it always does")
    return parser.parse_args()


def make_talks(folder, name, seeds, people, split, wordings=None, utterances=18, **build):
    """Make talks and their corpus; give it, and the labels of each clip, in seconds from its start.

    They are in all wordings of a split, or in those given.
    """
    root, videos = folder / name, folder / f"{name}_videos"
    if not (root / "labels.json").exists():
        labels = {}
        for number, seed in enumerate(seeds):
            speaker = make_speaker(
                videos, seed=seed, person=people[number % len(people)], name=f"{name}{number:03d}", faults=True,
                split=split if wordings is None else None, wordings=wordings, num_utterances=utterances,
                transcript="TextGrid",
            )  # fmt: skip
            labels[speaker.name] = [asdict(label) for label in speaker.labels]
        sources, _ = pair_sources(videos, videos)
        print(build_corpus(sources, root, options=BuildOptions(talk_seconds=300.0, **build), report=False))
        write_json(root / "labels.json", labels)
    corpus = Corpus(root)
    return corpus, within(corpus, read_json(root / "labels.json"))


def training_talks(folder, count, utterances):
    """Give talks to train on, each of another person, and their labels."""
    people = range(count)
    return make_talks(folder, "train", people, people, "train", utterances=utterances, split_sizes=(0.95, 0.05, 0.0))


def strangers(options, folder, *, prefix="", held_back=False):
    """Give each kind of wordings, with talks and labels of people that no training saw.

    Of those held back nothing was chosen by, either.
    """
    first, seeds = (3 * STRANGERS, (2900, 2950)) if held_back else (STRANGERS, (900, 950))
    people = range(first, first + options.measured)
    for wordings, split, seed in zip(("known", "new"), ("train", "new"), seeds, strict=True):
        name = f"{'held_' if held_back else prefix}{wordings}"
        yield wordings, *make_talks(
            folder, name, range(seed, seed + options.measured), people, split, utterances=options.utterances,
            mirror=False, split_sizes=(0.0, 0.0, 1.0),
        )  # fmt: skip


def within(corpus, labels):
    """Give the labels of each clip, of those of its talk the ones that lie in it, in seconds from its start."""
    clips = read_json(corpus.root / "manifest.json")["clips"]
    return {clip["name"]: list(_of_clip(labels[clip["source"]], clip)) for clip in clips}


def _of_clip(labels, clip):
    for label in labels:
        moved = {key: label[key] - clip["start"] for key in ("start", "end", "onset", "stroke", "release")}
        if moved["onset"] >= 0 and moved["release"] <= clip["end"] - clip["start"]:
            yield {**label, **moved}


def gestures_of(labels):
    """Give the gestures of each clip as `train_transformer` takes them."""
    return {
        name: [(label["start"], label["end"], label["concept"]) for label in marks] for name, marks in labels.items()
    }


def schedule(steps):
    often = {"evaluate_every": max(steps // 2, 1), "save_every": 500, "warmup": 50, "decay": 0.2}
    return {"steps": steps, "milestones": (int(0.8 * steps),), **often}


def train_the_tokenizer(corpus, output, *, steps, codes):
    """Train the tokenizer; go on where it was stopped."""
    if (output / "tokenizer" / "last").exists():
        return MotionTokenizer.from_pretrained(output / "tokenizer" / "last")
    return train_tokenizer(
        TokenizerTraining(
            batch_size=16, learning_rate=1e-3, **schedule(steps),
            # Two frames a token: arms that cross four frames of a stroke are more than a code can say.
            tokenizer=TokenizerConfig(width=128, num_codes=codes, down_t=1),
        ),
        corpus, output / "tokenizer", resume=True,
    )  # fmt: skip


def train(options, corpus, encoder, words):
    """Train tokenizer and transformer; each goes on where it was stopped."""
    output = options.output
    tokenizer = train_the_tokenizer(corpus, output, steps=4 * options.steps, codes=options.codes)
    if (output / "transformer" / "last").exists():
        return tokenizer, MotionTransformer.from_pretrained(output / "transformer" / "last")
    transformer = train_transformer(
        TransformerTraining(
            batch_size=32, learning_rate=5e-4, text_dropout=0.5,
            transformer=TransformerConfig(
                width=options.width, num_layers=2, num_heads=6, block_size=65, word_past=10, word_ahead=12
            ),
            **schedule(options.steps),
        ),
        corpus, output / "transformer", tokenizer=tokenizer, text_encoder=encoder, word_encoder=words,
        cache=output / "tokens", resume=True,
    )  # fmt: skip
    return tokenizer, transformer


def speak(corpus, names, tokenizer, transformer, words, times, *, lay=word_track, seeds=None, **sampling):
    """Give the features of talks whose words have the times that `times` gives for the utterances of a talk."""
    rate, tracks = corpus.fps / tokenizer.frames_per_token, []
    for name in names:
        spoken = times(corpus.texts(name))
        vectors = torch.cat([words.encode_words([word.text for word in part]) for part in spoken])
        count = -(-len(corpus.features(name)) // tokenizer.frames_per_token)
        told = [word for part in spoken for word in part]
        tracks.append(lay(told, vectors, num_tokens=count, tokens_per_second=rate))
    tokens = generate(transformer, None, words=tracks, seeds=range(len(names)) if seeds is None else seeds, **sampling)
    with torch.no_grad():
        return [tokenizer.decode(row).numpy() for row in tokens]


def given(spoken):
    return [timed_words(utterance) for utterance in spoken]


def estimated(spoken):
    return [estimate_words(utterance.text, utterance.start, utterance.end) for utterance in spoken]


def heard(spoken):
    """Find the words in the sound of a voice that says them at their times, with noise at -20 dB."""
    rng, plain = np.random.default_rng(0), [replace(utterance, words=()) for utterance in spoken]
    with KoreanVoice("ko+f3") as voice:
        sound = say(spoken, spoken[-1].end + 1.0, voice, 20, rng)
    return given(align_words(plain, sound).cues)


WAYS = {"word times given": given, "only subtitle times": estimated, "subtitle times and sound": heard}


def tell(rows, name, figures):
    rows.append([name, *(f"{value:.3g}" for value in figures)])
    print(f"{name:40s}", *(f"{column} {value}" for column, value in zip(COLUMNS, rows[-1][1:], strict=True)), sep="  ")


def measure_ways(judge, talks, marks, tokenizer, transformer, words, **sampling):
    """Give the figures of talks: real, in tokens, spoken with words timed each way, and with another talk's motion."""
    names = list(marks)
    real = {name: talks.features(name) for name in names}
    yield "real", judge.measure(talks, marks, real)
    with torch.no_grad():
        coded = {
            name: tokenizer.decode(tokenizer.encode(torch.from_numpy(features))).numpy()
            for name, features in real.items()
        }
    yield "real in tokens", judge.measure(talks, marks, coded)
    for times, read in WAYS.items():
        made = speak(talks, names, tokenizer, transformer, words, read, **sampling)
        yield times, judge.measure(talks, marks, dict(zip(names, made, strict=True)))
    others = dict(zip(names, [*made[1:], made[0]], strict=True))
    yield "another talk's motion", judge.measure(talks, marks, others)


def main():
    options = read_arguments()
    corpus, labels = training_talks(options.output, options.talks, options.utterances)
    if options.speaker is not None:
        pipeline = UtteranceToMotion.from_pretrained(options.speaker)
        speaker, sampling = (pipeline.tokenizer, pipeline.transformer, pipeline.word_encoder), pipeline.sampling
    else:
        encoder = EmbeddedTextEncoder()
        words = WindowWordEncoder(encoder)
        speaker, sampling = (*train(options, corpus, encoder, words), words), {"top_p": options.top_p}
    judge, rows = Judge(corpus, labels), [["talks", *COLUMNS]]
    print(f"Timed by their strokes: {len(judge.delays)} of {len(judge.names)} gestures")
    for wordings, talks, marks in strangers(options, options.output, held_back=options.speaker is not None):
        for way, found in measure_ways(judge, talks, marks, *speaker, **sampling):
            tell(rows, f"{wordings} wordings, {way}", found)
    write_table(options.output / "timing.csv", rows)


if __name__ == "__main__":
    run(main)
