"""From poses and Korean lines to a rendered gesture, in one go.

    ktube-motion quickstart
    ktube-motion quickstart --say "왼쪽을 한번 봐 주세요." "네, 맞아요."
    ktube-motion quickstart --poses pose_json --transcripts subtitles

Makes videos of two sample speakers, builds a corpus from their poses and subtitles, trains a small
tokenizer, evaluator and transformer, evaluates them, and shows what they make of a few Korean sentences.
About four minutes on two processors; nothing is downloaded.

Reads nothing, or poses and transcripts of yours.

Writes --output: KTubeUM (the corpus), evaluator, tokenizer, transformer, evaluation, pipeline (what
generate --pipeline takes), say_0.mp4, say_0.html and so on, real_and_generated.mp4, summary.txt.
"""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .shared.console import say, table
from .shared.options import UsageError
from .shared.places import sources_folder

if TYPE_CHECKING:
    from ..evaluation import Report
    from ..evaluators import MotionEvaluator
    from ..io import Corpus
    from ..pipeline import UtteranceToMotion
    from ..text import TextEncoder

SAY = ["안녕하세요, 만나서 반갑습니다.", "왼쪽을 한번 봐 주세요.", "네, 맞아요. 정말 그렇습니다."]


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--say", nargs="+", default=SAY, metavar="SENTENCE", help="Korean sentences to speak")
    parser.add_argument(
        "--poses", type=Path, metavar="DIR", help="folder of pose files (any estimator's), with --transcripts"
    )
    parser.add_argument("--transcripts", type=Path, metavar="DIR", help="folder of subtitles named like the pose files")
    parser.add_argument(
        "--gestures", type=Path, metavar="DIR", help="folder with motions.npz and utterances.tsv instead"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/quickstart"), metavar="DIR", help="folder of everything"
    )
    parser.add_argument(
        "--steps", type=int, default=700, metavar="N", help="training steps of tokenizer and transformer"
    )
    parser.add_argument("--videos", type=int, default=24, metavar="N", help="sample videos to make")
    parser.add_argument("--resume", action="store_true", help="go on where the last call was stopped")


def run(options: Namespace) -> None:
    """Build, train, evaluate and show."""
    from ..io.files import write_text
    from ..render import save_skeleton_video
    from ..text import EmbeddedTextEncoder

    began = time.perf_counter()
    if (options.poses is None) != (options.transcripts is None):
        raise UsageError("--poses and --transcripts belong together.", fix="Give both, or neither.")
    corpus = make_corpus(options, options.output / "KTubeUM")
    if not (corpus.names("train") and corpus.names("val")):
        for name in corpus.names()[:3]:
            clip = corpus.motion(name)
            save_skeleton_video(clip, options.output / f"{name}.mp4", titles=clip.name)
        say(f"One video cannot be split into train and val: clips and pictures of them are in {options.output}.")
        return
    pipeline, evaluator = train(options, corpus, EmbeddedTextEncoder())
    coded, spoken = evaluate(options, corpus, pipeline, evaluator)
    show(options, pipeline, corpus)
    summary = closing_table(coded, spoken, time.perf_counter() - began)
    write_text(options.output / "summary.txt", summary + "\n")
    say(f"\n{summary}\n\nEverything is in {options.output.resolve()}")


def make_corpus(options: Namespace, root: Path) -> "Corpus":
    """Build the corpus from samples, from the user's files, or from a folder of gestures."""
    from ..construct import BuildOptions, build_corpus, build_gesture_corpus, pair_sources
    from ..io import Corpus
    from .shared.steps import make_sample_videos

    if options.gestures:
        return build_gesture_corpus(options.gestures, root)
    poses, transcripts, build = options.poses, options.transcripts, BuildOptions()
    if poses is None:
        build = BuildOptions(split_sizes=(0.75, 0.25, 0.0))  # enough to measure on; nothing is left for a test
        poses = transcripts = options.output / "videos"
        make_sample_videos(poses, options.videos)
    sources, alone = pair_sources(sources_folder(poses), sources_folder(transcripts))
    for path in alone:
        say(f"no partner: {path}")
    say(build_corpus(sources, root, options=build))
    return Corpus(root)


def train(options: Namespace, corpus: "Corpus", encoder: "TextEncoder") -> "tuple[UtteranceToMotion, MotionEvaluator]":
    """Train the three models; each goes on where it was stopped."""
    from ..gpt import TransformerConfig
    from ..pipeline import UtteranceToMotion
    from ..training import (
        EvaluatorTraining,
        TokenizerTraining,
        TransformerTraining,
        train_evaluator,
        train_tokenizer,
        train_transformer,
    )
    from ..vq import TokenizerConfig

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


def evaluate(
    options: Namespace, corpus: "Corpus", pipeline: "UtteranceToMotion", evaluator: "MotionEvaluator"
) -> "tuple[Report, Report]":
    """Measure what the tokenizer loses, and whether motion fits its words."""
    from ..evaluation import EvaluationConfig, evaluate_generation, evaluate_tokenizer

    protocol = EvaluationConfig.ktube(split="val", repeats=5, multimodality_texts=0)
    folder = options.output / "evaluation"
    coded = evaluate_tokenizer(
        pipeline.tokenizer, corpus, evaluator=evaluator, config=protocol, folder=folder / "tokenizer"
    )
    spoken = evaluate_generation(
        pipeline, corpus, evaluator=evaluator, config=protocol, folder=folder / "generation", save_predictions=True
    )
    return coded, spoken


def show(options: Namespace, pipeline: "UtteranceToMotion", corpus: "Corpus") -> None:
    """Speak the sentences, and lay real and generated motion side by side."""
    import torch

    from ..render import save_html, save_skeleton_video

    motions = pipeline.generate(options.say, generator=torch.Generator().manual_seed(0), top_p=0.9)
    for number, motion in enumerate(motions):
        if len(motion):
            save_skeleton_video(motion, options.output / f"say_{number}.mp4", titles=motion.name)
            save_html(motion, options.output / f"say_{number}.html", utterance=motion.name)
    real = corpus.motion(corpus.names("val")[0])
    again = pipeline.generate([real.name], seconds=real.seconds, generator=torch.Generator().manual_seed(0))
    save_skeleton_video([real, *again], options.output / "real_and_generated.mp4", titles=["real", "generated"])


def closing_table(coded: "Report", spoken: "Report", seconds: float) -> str:
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
    return table(rows)
