"""Does a model understand what it is told, or has it learned sentences by heart?

    python studies/compare_tokenizers.py --gestures ../shared/data/gestures --only ours
    python studies/compare_wordings.py --gestures ../shared/data/gestures

Trains the same transformer in several ways of reading text, and asks each for the validation clips' actions and
styles twice: in the words of the training set, and in words of rewordings.tsv, which no training sees. What a motion
shows is judged by the motion alone: the nearest of the class centres (action and style together) in the evaluator's
motion space. Everything lies under output/wording; a call that was stopped goes on where it was. The table is in
wording.csv and wording.png, and in docs/generation.rst.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from compare_tokenizers import prepare
from study import run, write_table

from ktube_motion.evaluation import EvaluationConfig, evaluate_generation
from ktube_motion.evaluators import AlignedTextEncoder, MotionEvaluator
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate
from ktube_motion.io import Corpus, write_text_file
from ktube_motion.io._files import atomic_path, read_json, write_json
from ktube_motion.text import EmbeddedTextEncoder, SequenceTextEncoder, TextAugmentation
from ktube_motion.training import EvaluatorTraining, KnownTexts, TransformerTraining, train_evaluator, train_transformer
from ktube_motion.types import Utterance
from ktube_motion.vq import MotionTokenizer

HERE = Path(__file__).parent
WAYS = {
    "sentence": {},
    "sentence, rules": {"rules": True},
    "sentence, paraphrases": {"paraphrases": True},
    "parts": {"reads": "parts"},
    "parts, paraphrases": {"reads": "parts", "paraphrases": True},
    "aligned, paraphrases": {"reads": "aligned", "paraphrases": True},
    "aligned, dictionary, paraphrases": {"reads": "aligned", "dictionary": True, "paraphrases": True},
    "aligned, paraphrases, guided": {"reads": "aligned", "paraphrases": True, "guidance": 2.0},
    "sentence, three times as long": {"longer": 3},
    "guided, three times as long": {"reads": "aligned", "paraphrases": True, "guidance": 2.0, "longer": 3},
}
COLUMNS = ("action %", "other side %", "style %", "FID", "diversity", "multimodality", "length error s")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gestures", type=Path, required=True, help="folder with motions.npz and utterances.tsv")
    parser.add_argument(
        "--tokenizers", type=Path, default=Path("output/tokenizers"), help="what compare_tokenizers.py made"
    )
    parser.add_argument("--output", type=Path, default=Path("output/wording"))
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--precision", default="auto", help="mixed_precision of the transformers' training")
    parser.add_argument("--variants", type=int, default=32, help="wordings that an augmentation makes of each text")
    parser.add_argument("--set", default="test", choices=("choose", "test"), help="which rewordings to measure with")
    return parser.parse_args()


def read_table(name):
    with open(HERE / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def clips_of(corpus):
    """Give content and style of each clip."""
    return {clip["name"]: clip for clip in read_json(corpus.root / "manifest.json")["clips"]}


def kinds_of(corpus):
    """Give the kind of each clip: action and style together."""
    return {name: f"{clip['content']}|{clip['style']}" for name, clip in clips_of(corpus).items()}


def own_wordings(corpus):
    """Give what the corpus itself says for each content and style, as rows of a table of paraphrases."""
    said = {(clip["content"], clip["style"], text.text) for name, clip in clips_of(corpus).items()
            for text in corpus.texts(name)}  # fmt: skip
    contents = {(label, text) for label, style, text in said if style == "normal"}
    plain = {text for _, text in contents}
    # What is left of an utterance when its end is a content in the normal style.
    styles = {(style, text.removesuffix(f", {end}")) for _, style, text in said if style != "normal"
              for end in plain if text.endswith(f", {end}")}  # fmt: skip
    shortest = {}
    for style, text in sorted(styles, key=lambda row: len(row[1])):
        shortest.setdefault(style, text)
    rows = sorted(("content", *row) for row in contents) + sorted(("style", *row) for row in shortest.items())
    return rows


def reworded(corpus, root, wanted):
    """Make a corpus of the same motions in which validation clips are said in held-out words."""
    root.mkdir(parents=True, exist_ok=True)
    for entry in corpus.root.iterdir():
        if entry.name != "texts" and not (root / entry.name).exists():
            (root / entry.name).symlink_to(entry.resolve())
    table = {}
    for row in read_table("rewordings.tsv"):
        if row["set"] == wanted:
            table.setdefault((row["kind"], row["label"]), []).append(row["wording"])
    rng, clips = np.random.default_rng(0), clips_of(corpus)
    for name in corpus.names("val"):
        content, style = clips[name]["content"], clips[name]["style"]
        said = table["content", content]
        if style != "normal":
            said = [f"{table['style', style][rng.integers(len(table['style', style]))]}, {text}" for text in said]
        write_text_file(root / "texts" / f"{name}.txt", [Utterance(0, 0, text) for text in said])
    return Corpus(root, follow_links=True)  # links to what is the same in all of them


def align(options, corpus, augmentation, dictionary=False):
    """Train a text encoder whose vectors lie near the motion they mean: first with motion, then text alone."""
    encoder, learned = SequenceTextEncoder(EmbeddedTextEncoder(), length=12, dictionary=dictionary), None
    for name, steps, changes in (("motion", 600, {}), ("text", 2500, {"lock_motion": True, "batch_size": 128})):
        folder = options.output / f"aligned_{name}{'_dictionary' * dictionary}"
        steps = min(steps, options.steps)
        if not (folder / "last").exists():
            config = EvaluatorTraining(
                steps=steps, warmup=50, milestones=(int(0.8 * steps),), decay=0.2, evaluate_every=max(steps // 3, 1),
                save_every=steps, text_variants=options.variants, **changes,
            )  # fmt: skip
            train_evaluator(
                config, corpus, folder, text_encoder=encoder, augmentation=augmentation, start=learned, resume=True
            )
        learned = MotionEvaluator.from_pretrained(folder / "last", text_encoder=encoder)
    return AlignedTextEncoder(learned)


def folder_of(options, name):
    return options.output / name.replace(",", "").replace(" ", "_")


def train(options, name, corpus, tokenizer):
    """Train one way; give the transformer, its text encoder and how to sample."""
    way, text, augmentation = WAYS[name], {}, None
    if way.get("rules"):
        augmentation = TextAugmentation()
    if way.get("paraphrases"):
        augmentation = TextAugmentation.from_table(HERE / "paraphrases.tsv", also=own_wordings(corpus))
    encoder = EmbeddedTextEncoder()
    if way.get("reads") == "parts":
        encoder = SequenceTextEncoder(encoder, length=12)
        text = {"block_size": 62, "text_layers": 2}
    elif way.get("reads") == "aligned":
        encoder = align(options, corpus, augmentation, way.get("dictionary", False))
    folder = folder_of(options, name)
    sampling = {"guidance_scale": way.get("guidance", 1.0)}
    if (folder / "last").exists():
        return MotionTransformer.from_pretrained(folder / "last"), encoder, sampling
    steps = options.steps * way.get("longer", 1)
    config = TransformerTraining(
        steps=steps, batch_size=64, learning_rate=1e-3, warmup=50, milestones=(int(steps * 0.8),), decay=0.2,
        evaluate_every=max(steps // 3, 1), mixed_precision=options.precision, text_variants=options.variants,
        text_dropout=0.1 if "guidance" in way else 0.0,
        transformer=TransformerConfig(width=128, num_layers=2, num_heads=4, **text),
    )  # fmt: skip
    model = train_transformer(
        config, corpus, folder, tokenizer=tokenizer, text_encoder=encoder, augmentation=augmentation,
        cache=options.output / "tokens", resume=True,
    )  # fmt: skip
    return model, encoder, sampling


def other_side(action):
    """Give the action of the other hand, or the turn to the other side; itself where it has none."""
    swapped = {"left": "right", "right": "left"}
    return "-".join(swapped.get(word, word) for word in action.split("-"))


def measure(model, tokenizer, encoder, sampling, corpus, evaluator):
    """Give the figures of one model on one corpus of texts, and those of real motion."""
    labels = {"kind": kinds_of(corpus)}
    known = KnownTexts(encoder)
    report = evaluate_generation(
        (model, tokenizer, known),
        corpus,
        evaluator=evaluator,
        config=EvaluationConfig(
            split="val", repeats=3, min_frames=20, multimodality_texts=20, multimodality_samples=10
        ),
        sampling=sampling,
        labels=labels,
    )
    figures = {name: report["generated", key].mean for name, key in
               (("FID", "fid"), ("diversity", "diversity"), ("multimodality", "multimodality"))}  # fmt: skip
    confusion, kinds = report.classes["kind"].confusion, [kind.split("|") for kind in report.classes["kind"].classes]
    for part, name in enumerate(("action %", "style %")):
        same = np.array([[row[part] == column[part] for column in kinds] for row in kinds])
        figures[name] = 100 * float(confusion[same].sum() / confusion.sum())
    sided = np.array([other_side(action) != action for action, _ in kinds])
    mirrored = np.array([[column == other_side(action) != action for column, _ in kinds] for action, _ in kinds])
    figures["other side %"] = 100 * float(confusion[mirrored].sum() / confusion[sided].sum())
    names = corpus.names("val")
    tokens = generate(
        model, known.encode([corpus.texts(name)[0].text for name in names]),
        generator=torch.Generator().manual_seed(0), **sampling,
    )  # fmt: skip
    wanted = np.array([len(corpus.features(name)) for name in names])
    made = np.array([len(row) for row in tokens]) * tokenizer.frames_per_token
    figures["length error s"] = float(np.abs(made - wanted).mean() / corpus.fps)
    return figures


def draw(rows, path):
    """Draw action and style of each way, in known and in new words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 * len(rows) + 1.2), layout="constrained")
    places = np.arange(len(rows))
    for axes, column in zip(figure.subplots(1, 2, sharey=True), ("action %", "style %"), strict=True):
        for shift, words, colour in ((-0.2, "known", "tab:gray"), (0.2, "reworded", "tab:blue")):
            bars = axes.barh(places + shift, [row[words][column] for row in rows.values()], 0.38, color=colour,
                             label=f"{words} words")  # fmt: skip
            axes.bar_label(bars, fmt="%.0f", padding=2)
        axes.set_yticks(places, list(rows))
        axes.set_xlim(0, 112)
        axes.set_xlabel(f"right {column}")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 1.12), ncols=2)
    axes.invert_yaxis()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def main():
    options, rows = read_arguments(), {}
    corpus, evaluator = prepare(options.gestures, options.tokenizers)
    tokenizer = MotionTokenizer.from_pretrained(options.tokenizers / "ours" / "last")
    texts = {"known": corpus, "reworded": reworded(corpus, options.output / f"reworded_{options.set}", options.set)}
    for name in options.only:
        measured = folder_of(options, name) / f"measured_{options.set}.json"
        if not measured.exists():
            model, encoder, sampling = train(options, name, corpus, tokenizer)
            figures = {w: measure(model, tokenizer, encoder, sampling, said, evaluator) for w, said in texts.items()}
            write_json(measured, figures)
        rows[name] = read_json(measured)
        for words, row in rows[name].items():
            print(f"{name:28s} {words:8s}", *(f"{column} {row[column]:.3g}" for column in COLUMNS), sep="  ")
    table = [
        [name, words, *(f"{row[column]:.4g}" for column in COLUMNS)]
        for name, both in rows.items()
        for words, row in both.items()
    ]
    write_table(options.output / "wording.csv", [["way", "words", *COLUMNS], *table])
    draw(rows, options.output / "wording.png")


if __name__ == "__main__":
    run(main)
