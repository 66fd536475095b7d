"""From pose JSON and Korean lines to a rendered gesture, in one go.

Without arguments it makes two sample speakers, builds a KTubeUM corpus from
their poses and subtitles, trains a small tokenizer, evaluator and transformer,
evaluates them, and shows what they make of a few Korean sentences. Everything
lies under output/quickstart at the end.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from ktube_motion import UtteranceToMotion
from ktube_motion.construct import BuildOptions, build_corpus, build_gesture_corpus, pair_sources
from ktube_motion.errors import KtubeError
from ktube_motion.evaluation import EvaluationConfig, evaluate_generation, evaluate_tokenizer
from ktube_motion.gpt import TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.io.files import write_text
from ktube_motion.render import save_html, save_skeleton_video
from ktube_motion.samples import make_speaker
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.training import (
    EvaluatorTraining,
    TokenizerTraining,
    TransformerTraining,
    train_evaluator,
    train_tokenizer,
    train_transformer,
)
from ktube_motion.vq import TokenizerConfig

SAY = ["안녕하세요, 만나서 반갑습니다.", "왼쪽을 한번 봐 주세요.", "네, 맞아요. 정말 그렇습니다."]


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--say", nargs="+", default=SAY, metavar="SENTENCE", help="Korean sentences to speak")
    parser.add_argument("--poses", type=Path, help="folder of pose files (any estimator's), with --transcripts")
    parser.add_argument("--transcripts", type=Path, help="folder of subtitles named like the pose files")
    parser.add_argument("--gestures", type=Path, help="folder with motions.npz and utterances.tsv instead")
    parser.add_argument("--output", type=Path, default=Path("output/quickstart"))
    parser.add_argument("--steps", type=int, default=700, help="training steps of tokenizer and transformer")
    parser.add_argument("--videos", type=int, default=24, help="sample videos to make")
    parser.add_argument("--resume", action="store_true", help="go on where the last call was stopped")
    options = parser.parse_args()
    if (options.poses is None) != (options.transcripts is None):
        parser.error("--poses and --transcripts belong together")
    return options


def make_corpus(options, root):
    """Build the corpus from samples, from the user's files, or from a folder of gestures."""
    if options.gestures:
        return build_gesture_corpus(options.gestures, root)
    poses, transcripts, build = options.poses, options.transcripts, BuildOptions()
    if poses is None:
        build = BuildOptions(split_sizes=(0.75, 0.25, 0.0))  # enough to measure on; nothing is left for a test
        poses = transcripts = options.output / "videos"
        for number in range(options.videos):
            name = f"speaker{number % 2}_{number // 2:02d}"
            make_speaker(poses, seed=number, person=number % 2, name=name, faults=True)
    sources, alone = pair_sources(poses, transcripts)
    print(*(f"no partner: {path}" for path in alone), sep="\n")
    print(build_corpus(sources, root, options=build))
    return Corpus(root)


def train(options, corpus, encoder):
    """Train the three models; each goes on where it was stopped."""
    steps, few = options.steps, max(options.steps // 3, min(options.steps, 350))  # the evaluator learns quickly
    common = {"evaluate_every": max(options.steps // 4, 1), "save_every": 200, "warmup": 50}
    late = (int(steps * 0.8),)
    evaluator = train_evaluator(
        EvaluatorTraining(steps=few, **common | {"evaluate_every": max(few // 3, 1)}), corpus,
        options.output / "evaluator", text_encoder=encoder, resume=options.resume,
    )  # fmt: skip
    tokenizer = train_tokenizer(
        TokenizerTraining(
            steps=steps, batch_size=64, learning_rate=1e-3, milestones=late, decay=0.2, **common,
            tokenizer=TokenizerConfig(width=128, num_codes=128),
        ),
        corpus, options.output / "tokenizer", evaluator=evaluator, resume=options.resume,
    )  # fmt: skip
    transformer = train_transformer(
        TransformerTraining(
            steps=steps, batch_size=64, learning_rate=5e-4, milestones=late, decay=0.2, **common,
            transformer=TransformerConfig(width=192, num_layers=2, num_heads=6),
        ),
        corpus, options.output / "transformer", tokenizer=tokenizer, text_encoder=encoder, resume=options.resume,
        cache=options.output / "tokens",
    )  # fmt: skip
    pipeline = UtteranceToMotion(tokenizer, transformer, encoder)
    pipeline.save_pretrained(options.output / "pipeline")
    return pipeline, evaluator


def evaluate(options, corpus, pipeline, evaluator):
    """Give the closing table: what the tokenizer loses, and whether motion fits its words."""
    limits = {"evaluator": evaluator, "config": EvaluationConfig.ktube(split="val", repeats=5, multimodality_texts=0)}
    folder = options.output / "evaluation"
    coded = evaluate_tokenizer(pipeline.tokenizer, corpus, **limits, folder=folder / "tokenizer")
    spoken = evaluate_generation(
        pipeline,
        corpus,
        **limits,
        folder=folder / "generation",
        save_predictions=True,
    )
    coded.save(folder / "tokenizer")
    spoken.save(folder / "generation")
    return coded, spoken


def show(options, pipeline, corpus):
    """Speak the sentences, and lay real and generated motion side by side."""
    motions = pipeline.generate(options.say, generator=torch.Generator().manual_seed(0), top_p=0.9)
    for number, motion in enumerate(motions):
        if len(motion):
            save_skeleton_video(motion, options.output / f"say_{number}.mp4", titles=motion.name)
            save_html(motion, options.output / f"say_{number}.html", utterance=motion.name)
    real = corpus.motion(corpus.names("val")[0])
    again = pipeline.generate([real.name], seconds=real.seconds, generator=torch.Generator().manual_seed(0))
    save_skeleton_video([real, *again], options.output / "real_and_generated.mp4", titles=["real", "generated"])


def table(coded, spoken, seconds):
    """Sum the run up in a few lines."""
    code, top3 = coded.table["reconstructed"], "r_precision_top3"
    use, about_root, globally = (code[name].mean for name in ("codes_used", "root_mpjpe_mm", "mpjpe_mm"))
    rows = [
        ("tokenizer MPJPE", f"{about_root:.1f} mm about the root, {globally:.1f} mm globally"),
        ("codes used", f"{use:.0f} of 128"),
        *((f"R-precision top 3, {row}", f"{spoken[row, top3].mean:.3f}")
          for row in ("real", "generated", "shuffled", "chance")),
        ("FID of generated motion", f"{spoken['generated', 'fid'].mean:.3f}"),
        ("seconds spent", f"{seconds:.0f}"),
    ]  # fmt: skip
    return "\n".join(f"{name:30s} {value}" for name, value in rows)


def main():
    options, began = read_arguments(), time.perf_counter()
    corpus = make_corpus(options, options.output / "KTubeUM")
    if not (corpus.names("train") and corpus.names("val")):
        for name in corpus.names()[:3]:
            clip = corpus.motion(name)
            save_skeleton_video(clip, options.output / f"{name}.mp4", titles=clip.name)
        print(f"One video cannot be split into train and val: clips and pictures of them are in {options.output}.")
        return
    pipeline, evaluator = train(options, corpus, EmbeddedTextEncoder())
    coded, spoken = evaluate(options, corpus, pipeline, evaluator)
    show(options, pipeline, corpus)
    summary = table(coded, spoken, time.perf_counter() - began)
    write_text(options.output / "summary.txt", summary + "\n")
    print(f"\n{summary}\n\nEverything is in {options.output.resolve()}")


if __name__ == "__main__":
    try:
        main()
    except KtubeError as error:
        sys.exit(f"error: {error}")
