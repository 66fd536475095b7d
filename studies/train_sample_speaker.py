"""Train the speaker that comes with the library, on the project's own made-up speakers, and measure it.

    python studies/train_sample_speaker.py --sentences ChatbotData.csv --install

Makes talks of 160 people with all gestures, in the wordings for training; trains a tokenizer and a transformer that
hears the words in time; teaches it what words call for by all wordings for training; goes on training with talks of
320 other people, who join sentences at random; rounds both to half precision; and measures the rounded ones on talks of
people and of seeds that nothing was chosen by, in known and in new wordings, and on everyday sentences that were not
written for any gesture (column Q of a CSV file). Everything lies under output/sample_speaker; a call that was stopped
goes on where it was. --install writes the pipeline, its card and its figures into the package. Two and a half hours of
one core.
"""

import argparse
import csv
import random
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from gesture_judge import COLUMNS, Judge, about_root
from measure_timing import WAYS, gestures_of, make_talks, measure_ways, speak, strangers, training_talks
from study import run, write_table

from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io._files import write_text
from ktube_motion.metrics import gesture_strokes
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.pipeline._hearing import LEAD_IN, spoken_words
from ktube_motion.samples import CONCEPTS, Sentence, sentences
from ktube_motion.text import EmbeddedTextEncoder, word_encoder
from ktube_motion.training import (
    TokenizerTraining,
    TransformerTraining,
    teach_words,
    train_tokenizer,
    train_transformer,
)
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

HOME = Path(__file__).parent.parent / "src/ktube_motion/pipeline/speakers/sample-speaker"
SAMPLING = {"top_p": 0.9, "guidance_scale": 2.0}
BY_WORDS = {
    "betas": (0.9, 0.98), "decay": 0.5, "text_dropout": 1.0, "word_dropout": 0.1, "exchanged_words": 0.6,
    "exchanged_rhythms": 0.2, "weight_average": 0.99,
}  # fmt: skip
#: The training of the transformer, a stage after the other. The first learns to move, by sentences too; the second
#: learns gestures with their words alone; the third, that any gesture may come right after any other.
STAGES = (
    {"steps": 1500, "learning_rate": 5e-4, "betas": (0.5, 0.9), "milestones": (1200,), "decay": 0.2,
     "text_dropout": 0.5},
    {"steps": 4600, "learning_rate": 7e-4, "milestones": (2100, 3000, 3700, 4200), **BY_WORDS},
    {"steps": 5000, "learning_rate": 5e-4, "milestones": (1750, 3000, 3750, 4250, 4650), **BY_WORDS},
)  # fmt: skip
JOINED = 8000  # pairs of sentences that may be said as one
SHORT, CLOSE = 20, 10  # letters: of a sentence that is joined to another, and between the words of the two gestures
#: How much less likely "no gesture" is made than the sentences say, as a logarithm: on the talks that choices are made
#: by, gestures that did not come in new wordings were more than stray ones.
EAGER = 1.5
SURE = 0.75  # likeness of two words from which on the text classifier takes them for the same
NEAR = 0.5  # seconds between a word and the stroke of its gesture


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/sample_speaker"))
    parser.add_argument("--talks", type=int, default=160, help="to train on, each of another person, about 80 seconds")
    parser.add_argument("--joined", type=int, default=320, help="more talks, in which sentences are joined")
    parser.add_argument("--measured", type=int, default=12, help="talks to measure on, for known and for new wordings")
    parser.add_argument("--sentences", type=Path, help="CSV of everyday sentences, in its column Q")
    parser.add_argument("--count", type=int, default=300, help="everyday sentences, spread evenly over the file")
    parser.add_argument("--utterances", type=int, default=18, help="of each talk")
    parser.add_argument("--tokenizer-steps", type=int, default=18_000)
    parser.add_argument("--share", type=float, default=1.0, help="of the transformer's training steps")
    parser.add_argument("--stages", action="store_true", help="measure after each stage too, on other talks")
    parser.add_argument("--install", action="store_true", help=f"write the pipeline to {HOME.name} in the package")
    return parser.parse_args()


def join_sentences(count=JOINED, seed=0):
    """Give pairs of short sentences for training that are said as one, the gesture of one close to the other's."""
    rng = random.Random(seed)
    short = [one for one in sentences(split="train") if len(one.marks) == 1 and len(one.text) <= SHORT]
    joined = []
    while len(joined) < count:
        one, other = rng.sample(short, 2)
        head = one.text.rstrip(".!?,") + rng.choice((" ", ", "))
        moved = [(concept, first + len(head), last + len(head)) for concept, first, last in other.marks]
        if one.concepts != other.concepts and moved[0][1] - one.marks[0][2] <= CLOSE:
            joined.append(Sentence(head + other.text, (*one.marks, *moved)))
    return joined


def make_joined_talks(options):
    """Make talks of people of their own, who say single sentences and joined ones."""
    numbers = range(options.talks, options.talks + options.joined)
    wordings = [*sentences(split="train"), *join_sentences()]
    return make_talks(
        options.output, "joined", numbers, numbers, None, wordings=wordings, utterances=options.utterances,
        split_sizes=(0.95, 0.05, 0.0),
    )  # fmt: skip


def hear_sentences(transformer, encoder):
    """Teach what words call for by all sentences for training, as the talks have only some of them.

    Words are read with the one before, now. By talks alone that would be learned by heart, as their sentences come
    again and again.
    """
    words = word_encoder(encoder, identity=f"{encoder.identity}/windows/1")
    transformer.config = replace(transformer.config, word_encoder=words.identity)
    known = set(transformer.config.gestures)
    labelled = [
        (sentence.text, sentence.marks) for sentence in sentences(split="train") if known >= set(sentence.concepts)
    ]
    teach_words(transformer, words, labelled)
    return words


def train(options, talks, joined, encoder):
    """Train tokenizer and transformer; each goes on where it was stopped."""
    folder, steps = options.output / "tokenizer", options.tokenizer_steps
    often = {"save_every": 500, "warmup": 50, "mixed_precision": "no"}
    if not (folder / "last").exists():
        train_tokenizer(
            TokenizerTraining(
                batch_size=16, learning_rate=1e-3, steps=steps, milestones=(int(0.8 * steps),), decay=0.2,
                tokenizer=TokenizerConfig(width=128, num_codes=1024, code_dim=16, down_t=1), evaluate_every=steps,
                **often,
            ),
            talks[0], folder, resume=True,
        )  # fmt: skip
    tokenizer, transformers = MotionTokenizer.from_pretrained(folder / "last"), []
    # Words by themselves: those before them would be read in sentences that are learned by heart.
    words = word_encoder(encoder, identity=f"{encoder.identity}/windows/0")
    for number, stage in enumerate(STAGES, 1):
        folder = options.output / f"transformer_{number}"
        steps = max(int(options.share * stage["steps"]), 1)
        milestones = tuple(max(int(options.share * step), 1) for step in stage["milestones"])
        how = stage | {"steps": steps, "milestones": milestones}
        (corpus, labels), start = talks, transformers[-1] if transformers else None
        if not (folder / "last").exists():
            if number == len(STAGES):
                (corpus, labels), start = joined, deepcopy(start)
                words = hear_sentences(start, encoder)
            train_transformer(
                TransformerTraining(
                    batch_size=32, evaluate_every=how["steps"],
                    transformer=TransformerConfig(
                        width=192, num_layers=2, num_heads=6, block_size=65, word_past=10, word_ahead=12,
                        word_kinds=start.config.word_kinds if start else 0,
                    ),
                    **often, **how,
                ),
                corpus, folder, tokenizer=tokenizer, text_encoder=encoder, word_encoder=words, resume=True,
                start=start, gestures=None if start else gestures_of(labels), cache=options.output / "tokens",
            )  # fmt: skip
        transformers.append(MotionTransformer.from_pretrained(folder / "last"))
    return tokenizer, transformers


def make_pipeline(tokenizer, transformer, encoder):
    """Join the parts that are shipped: rounded to half precision, which a CPU then reads in single precision.

    The transformer learned to do without the sentence as a whole; so it is made deaf to it.
    """
    tokenizer = tokenizer.half().float()
    with torch.no_grad():
        transformer.text.weight.zero_()
        transformer.hearing.kinds.out.bias[0] -= EAGER
    transformer = transformer.half().float()
    transformer.config = replace(transformer.config, tokenizer=tokenizer.fingerprint)
    return UtteranceToMotion(tokenizer, transformer, encoder, sampling=SAMPLING)


def measure_stage(options, name, tokenizer, transformer, encoder, judge, rows):
    """Measure what there is after a stage, with the times of words given, on the talks that choices may be made by."""
    words = word_encoder(encoder, identity=transformer.config.word_encoder)
    for wordings, talks, marks in strangers(options, options.output, prefix="chosen_"):
        names = list(marks)
        made = speak(talks, names, tokenizer, transformer, words, WAYS["word times given"], **SAMPLING)
        found = judge.measure(talks, marks, dict(zip(names, made, strict=True)))
        rows.append([name, wordings, *tell(found)])
        print(*rows[-1], sep="  ", flush=True)


def measure_talks(options, pipeline, judge, rows):
    """Measure on talks whose seeds and people nothing was chosen by."""
    parts = pipeline.tokenizer, pipeline.transformer, pipeline.word_encoder
    for wordings, talks, marks in strangers(options, options.output, held_back=True):
        for way, found in measure_ways(judge, talks, marks, *parts, **pipeline.sampling):
            rows.append([f"{wordings} wordings, {way}", *tell(found)])


def tell(figures):
    return [f"{value:.3g}" for value in figures]


class TextClassifier:
    """Which gesture a word is for, by the likest word of the wordings for training; none where that carries none."""

    def __init__(self, words):
        self.words, vectors, self.concepts = words, [], []
        for sentence in sentences(split="train"):
            place = 0
            texts = sentence.text.split(" ")
            vectors.append(self._encode(texts))
            for text in texts:
                carried = [c for c, first, last in sentence.marks if first < place + len(text) and last > place]
                self.concepts.append(carried[0] if carried else None)
                place += len(text) + 1
        self.vectors = torch.cat(vectors)

    def _encode(self, texts):
        # The word and its dictionary form, without the word before it.
        vectors = self.words.encode_words(texts)[:, : 2 * self.words.dim // 3]
        return torch.nn.functional.normalize(vectors, dim=-1)

    def __call__(self, texts):
        """Give for each word a concept, or None."""
        best = (self._encode(texts) @ self.vectors.T).max(1)
        pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return [self.concepts[index] if value >= SURE else None for value, index in pairs]


def measure_everyday(options, pipeline, judge, rows):
    """Say everyday sentences: how often it gestures, and how often that is what the words are for."""
    with open(options.sentences, encoding="utf-8", newline="") as file:
        every = list(dict.fromkeys(row["Q"] for row in csv.DictReader(file)))
    texts = every[:: max(len(every) // options.count, 1)][: options.count]
    classify, fps = TextClassifier(pipeline.word_encoder), pipeline.fps
    tokens = pipeline.write(texts, seeds=range(len(texts)))
    counts = dict.fromkeys(("due", "met", "gestures", "fitting", "silent", "stray"), 0)
    for text, row in zip(texts, tokens, strict=True):
        with torch.no_grad():
            joints = about_root(pipeline.tokenizer.decode(row).numpy())
        words = spoken_words(text, lead_in=LEAD_IN)[0]
        due = [(w.start, c) for w, c in zip(words, classify([w.text for w in words]), strict=True) if c]
        strokes = gesture_strokes(joints, fps=fps)
        seen = [(stroke, judge.recognise(joints, [stroke], fps)) for stroke in strokes]
        counts["due"] += bool(due)
        counts["silent"] += not due
        counts["stray"] += not due and bool(seen)
        counts["met"] += any(concept == wanted for _, concept in seen for _, wanted in due)
        counts["gestures"] += bool(seen)
        counts["fitting"] += any(
            concept == wanted and abs(stroke - start) < NEAR + 0.3 for stroke, concept in seen for start, wanted in due
        )

    def share(part, whole):
        return f"{100 * counts[part] / max(whole, 1):.3g}"

    rows += [
        ["sentences", len(texts)],
        ["sentences with a word that is like one that carries a gesture %", share("due", len(texts))],
        ["of these, sentences with that gesture %", share("met", counts["due"])],
        ["of these, sentences with that gesture on its word %", share("fitting", counts["due"])],
        ["sentences with any gesture of the hands %", share("gestures", len(texts))],
        ["of the other sentences, with a gesture of the hands %", share("stray", counts["silent"])],
    ]


def main():
    options, began = read_arguments(), time.perf_counter()
    corpus, labels = training_talks(options.output, options.talks, options.utterances)
    encoder = EmbeddedTextEncoder()
    tokenizer, transformers = train(options, (corpus, labels), make_joined_talks(options), encoder)
    judge = Judge(corpus, labels)
    rows = [["after", "wordings", *COLUMNS]]
    if options.stages:
        for number, transformer in enumerate(transformers, 1):
            steps = sum(max(int(options.share * stage["steps"]), 1) for stage in STAGES[:number])
            measure_stage(options, f"stage {number}: {steps:,} steps", tokenizer, transformer, encoder, judge, rows)
    pipeline = make_pipeline(tokenizer, transformers[-1], encoder)
    if options.stages:
        name = f"no gesture {EAGER:g} less likely"
        measure_stage(options, name, pipeline.tokenizer, pipeline.transformer, encoder, judge, rows)
        write_table(options.output / "stages.csv", rows)
    talks, everyday = [["talks", *COLUMNS]], [["figure", "value"]]
    measure_talks(options, pipeline, judge, talks)
    if options.sentences:
        measure_everyday(options, pipeline, judge, everyday)
    for name, rows in (("talks", talks), ("everyday", everyday)):
        write_table(options.output / f"{name}.csv", rows)
        for row in rows:
            print(*row, sep="  ")
    if options.install:
        install(pipeline, talks, everyday, options.talks + options.joined)
    print(f"{time.perf_counter() - began:.0f} s")


def install(pipeline, talks, everyday, people):
    """Write the pipeline in half precision, with its card, into the package."""
    pipeline.save_pretrained(HOME)
    for name in ("tokenizer", "transformer"):
        getattr(pipeline, name).half().save_pretrained(HOME / name)
        (HOME / name / "README.md").unlink(missing_ok=True)  # the card of the whole stands above
    for name, rows in (("talks", talks), ("everyday", everyday)):
        write_table(HOME / f"{name}.csv", rows)
    write_text(HOME / "README.md", card(talks, everyday, people))


def card(talks, everyday, people):
    """Give the model card, its figures those of the tables."""
    lines = ["| talks of strangers | " + " | ".join(talks[0][1:]) + " |", "| --- " * len(talks[0]) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in talks[1:]]
    lines += [
        "",
        "| everyday sentences | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in everyday[1:]),
    ]
    template = (Path(__file__).parent / "sample_speaker.md").read_text(encoding="utf-8")
    known = ", ".join(f"{name} ({CONCEPTS[name]})" for name in sorted(CONCEPTS))
    return template.format(concepts=known, count=len(CONCEPTS), people=people, figures="\n".join(lines))


if __name__ == "__main__":
    run(main)
