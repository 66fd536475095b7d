"""Is a corpus whose poses were estimated from video as good as one of the true poses?

    python studies/compare_corpora.py
    python studies/compare_corpora.py --talks 32 --quickstart --steps 1500

Makes talks of the sample speaker, films them (480 x 480 pixels, whole body, cameras up to 30° aside), and builds two
corpora: one from the true poses, one from the films by `ktube-motion build --videos`. A judge that knows the gestures
from true poses of other people says how many it recognises, in the corpora themselves and, with --steps, in what a
tokenizer and a transformer trained on each make of held-out talks. A second one knows films of still others, too: what
it recognises is there, if in the way in which poses look that were estimated. Everything lies under output/corpora; a
call that was stopped goes on where it was. The table is in corpora.csv and in docs/video.rst.
"""

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from film_speaker import Actor, Studio, View, write_film
from gesture_judge import Judge, about_root, windows
from measure_timing import STRANGERS, given, make_talks, speak, train, within
from study import run, write_table

from ktube_motion.commands._quickstart import GESTURES
from ktube_motion.construct import BuildOptions, build_corpus, pair_sources, pair_videos
from ktube_motion.io import Corpus
from ktube_motion.io._files import read_json, write_json
from ktube_motion.metrics import frechet_distance, jerk, joint_errors
from ktube_motion.samples import make_speaker, sentences
from ktube_motion.text import EmbeddedTextEncoder, WindowWordEncoder

SIZE = (480, 480)
DRAWS = 6  # of everything that is spoken, with other seeds; the figures are their means
COLUMNS = ("right gesture %", "the same, by who knows films", "lag s, median", "no stroke %",
           "utterances with a stray gesture %", "distance to true", "joints mm", "wrists mm", "jerk m/s3", "hands mm/s",
           "filled %")  # fmt: skip


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/corpora"))
    parser.add_argument("--talks", type=int, default=12, help="filmed, each of another person; a quarter is held out")
    parser.add_argument("--sentences", type=int, default=18, help="of each talk")
    parser.add_argument("--quickstart", action="store_true", help="only the sixteen gestures of the quick start")
    parser.add_argument("--known", type=int, default=24, help="talks of true poses that the judge learns from")
    parser.add_argument("--known-films", type=int, default=16, help="talks that are filmed for the second judge")
    parser.add_argument("--fps", type=float, default=15.0, help="of the films")
    parser.add_argument(
        "--steps", type=int, default=0, help="of a transformer on each corpus (tokenizer: 4 x); 0: none"
    )
    parser.add_argument("--codes", type=int, default=512)
    parser.add_argument("--width", type=int, default=192)
    options = parser.parse_args()
    if options.known_films < 1:
        parser.error("--known-films: 1 or more")
    return options


def choose_wordings(options):
    """Give the wordings for training that have no gestures but those asked for."""
    return [
        sentence for sentence in sentences(split="train")
        if not options.quickstart or set(sentence.concepts) <= set(GESTURES)
    ]  # fmt: skip


def film_talks(options, folder, first, count):
    """Write true poses, words and films of some people; give the labels of each talk, in seconds of its video."""
    poses, films, told = (folder / name for name in ("true_poses", "films", "labels.json"))
    labels, wordings = read_json(told) if told.exists() else {}, choose_wordings(options)
    for number in range(first, first + count):
        name = f"talk{number:03d}"
        speaker = make_speaker(
            poses, seed=700 + number, person=STRANGERS + 500 + number, name=name, num_utterances=options.sentences,
            wordings=wordings, transcript="TextGrid",
        )  # fmt: skip
        labels[name] = [asdict(label) for label in speaker.labels]
        path = films / f"{name}.mp4"
        if not path.exists():
            actor = Actor(speaker.truth, fps=options.fps, look=number)
            view = View(0.52 * np.sin(2.4 * number), 0.1, False, number)
            with Studio(SIZE) as studio:
                write_film(path, studio.film(actor, [view] * len(actor)), fps=options.fps, size=SIZE)
            shutil.copy(poses / f"{name}.TextGrid", films / f"{name}.TextGrid")
            print(f"{path}: {len(actor)} frames", flush=True)
    write_json(told, labels)
    return labels


def build(options, sources, root, split_sizes=(0.7, 0.05, 0.25)):
    """Build a corpus without fingers, and load it."""
    how = BuildOptions(talk_seconds=300.0, split_sizes=split_sizes, fingers=False, video_fps=options.fps)
    print(build_corpus(sources, root, options=how, report=False), flush=True)
    return Corpus(root)


def learn(options):
    """Give who knows true poses of other people, and who knows films of still others, too."""
    known = make_talks(
        options.output, "known", range(options.known), range(options.known), "train", choose_wordings(options),
        mirror=False, split_sizes=(1.0, 0.0, 0.0),
    )  # fmt: skip
    folder = options.output / "known_films"
    labels = film_talks(options, folder, 1000, options.known_films)
    films = build(options, pair_videos(folder / "films", folder / "films")[0], folder / "seen", (1.0, 0.0, 0.0))
    return Judge(*known), Judge(*known, (films, within(films, labels)))


def looks(motions, fps):
    """Give what the judge sees twice a second, ``(N, 336)``."""
    joints = map(about_root, motions.values())
    return np.concatenate([windows(clip, np.arange(0.5, len(clip) / fps - 1, 0.5), fps) for clip in joints])


def distance(made, true):
    """Give the Fréchet distance of what is seen, along the 24 directions in which true motion varies most."""
    middle = true.mean(0)
    axes = np.linalg.svd(true - middle, full_matrices=False)[2][:24].T
    return frechet_distance((made - middle) @ axes, (true - middle) @ axes)


def figures(judges, corpus, labels, motions, true, compared=True):
    """Give the columns of one set of motions beside the true ones; `compared` where both are of the same moments."""
    names = list(motions)
    (median, _, missing, right, stray), (*_, who_knows_films, _) = (
        judge.measure(corpus, labels, motions) for judge in judges
    )  # fmt: skip
    joints = {name: about_root(motions[name]) for name in names}
    row = dict(zip(COLUMNS, (right, who_knows_films, median, missing, stray), strict=False))
    row["distance to true"] = distance(looks(motions, corpus.fps), looks(true, corpus.fps))
    if compared:
        apart = np.concatenate([
            joint_errors(ours[:frames], theirs[:frames], align="root")
            for ours, theirs in ((joints[name], about_root(true[name])) for name in names)
            for frames in (min(len(ours), len(theirs)),)
        ])  # fmt: skip
        row |= {"joints mm": 1000 * apart.mean(), "wrists mm": 1000 * apart[:, 20:22].mean()}
    row["jerk m/s3"] = np.mean([jerk(part, fps=corpus.fps) for part in joints.values()])
    row["hands mm/s"] = 1000 * np.mean(
        [np.linalg.norm(np.diff(part[:, 20:22], axis=0), axis=-1).mean() * corpus.fps for part in joints.values()]
    )
    return row


def features_of(corpus, names):
    return {name: corpus.features(name) for name in names}


def main():
    options = read_arguments()
    labels = film_talks(options, options.output, 0, options.talks)
    poses, films = options.output / "true_poses", options.output / "films"
    true = build(options, pair_sources(poses, poses)[0], options.output / "true")
    seen = build(options, pair_videos(films, films)[0], options.output / "seen")
    judges = learn(options)
    filled = {clip["name"]: clip["filled"] for clip in read_json(seen.root / "manifest.json")["clips"]}
    both = [name for name in true.names("all") if name in filled]
    marks, rows = within(true, labels), [["motion", *COLUMNS]]
    everything, held_out = features_of(true, both), [name for name in true.names("test") if name in filled]

    def tell(name, row):
        rows.append([name, *(f"{row[column]:.3g}" if column in row else "" for column in COLUMNS)])
        said = (f"{column} {value}" for column, value in zip(COLUMNS, rows[-1][1:], strict=True) if value)
        print(f"{name:45s}", "  ".join(said), flush=True)

    tell("true poses", figures(judges, true, marks, everything, everything))
    row = figures(judges, seen, marks, features_of(seen, both), everything)
    tell("poses seen in the films", row | {"filled %": 100 * np.mean([filled[name] for name in both])})
    if options.steps:
        encoder = EmbeddedTextEncoder()
        words, real = WindowWordEncoder(encoder), features_of(true, held_out)
        tell("true poses, held out", figures(judges, true, marks, real, real))
        for name, corpus in (("true poses", true), ("films", seen)):
            there = argparse.Namespace(**vars(options) | {"output": options.output / f"trained_{corpus.root.name}"})
            tokenizer, transformer = train(there, corpus, encoder, words)
            with torch.no_grad():
                coded = {
                    clip: tokenizer.decode(tokenizer.encode(torch.from_numpy(real[clip]))).numpy() for clip in real
                }
            tell(f"held out, in tokens learnt from {name}", figures(judges, true, marks, coded, real))
            draws = []
            for seed in range(0, 1000 * DRAWS, 1000):
                seeds = [seed + number for number in range(len(held_out))]
                made = speak(true, held_out, tokenizer, transformer, words, given, seeds=seeds, top_p=0.9)
                made = dict(zip(held_out, made, strict=True))
                draws.append(figures(judges, true, marks, made, real, compared=False))
            mean = {column: np.mean([row[column] for row in draws]) for column in draws[0]}
            tell(f"spoken as learnt from {name}", mean)
    write_table(options.output / "corpora.csv", rows)


if __name__ == "__main__":
    run(main)
