"""From poses and Korean lines to a rendered gesture, in one go.

    ktube-motion quickstart
    ktube-motion quickstart --say "왼쪽을 한번 봐 주세요." "네, 맞아요."
    ktube-motion quickstart --poses pose_json --transcripts subtitles

Makes videos of sample speakers, builds a corpus of their talks from poses and timed words, trains a small
tokenizer, a transformer that hears words in time, and two judges, measures whether the right gesture comes
on its word, and shows what the speaker makes of a few Korean sentences. About six minutes on two
processors; nothing is downloaded.

Reads nothing, or poses and transcripts of yours.

Writes --output: KTubeUM (the corpus), evaluator, judge, tokenizer, transformer, evaluation, pipeline (what
generate --pipeline takes), sample_speaker.mp4 (said by the speaker that comes with the library, at once),
say_0.mp4, say_0.html and so on, real_and_generated.mp4, summary.txt; and index.html, which shows all of it on
one page.
"""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._shared._console import say, table
from ._shared._language import told
from ._shared._options import UsageError
from ._shared._places import sources_folder

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..evaluation import Report
    from ..evaluators import MotionEvaluator, SpeechEvaluator
    from ..io import Corpus
    from ..pipeline import UtteranceToMotion
    from ..samples import Label
    from ..text import TextEncoder
    from ..vq import MotionTokenizer

# What the speakers show: a third of what they can, so that few minutes are enough to learn it.
GESTURES = """greeting farewell bow yes no here there left right up down big small count thinking cheer""".split()
WORDINGS = 10  # of each: what a small speaker can learn in six minutes
TALK = 300.0  # seconds of talk in a clip; longer ones are cut
SHOWN = 12.0  # seconds of the video that compares
OPENING = (
    "Builds a corpus of talks, trains a small speaker on it, measures him and lets him speak; about six minutes on two "
    "processors."
)
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
        "--steps", type=int, default=800, metavar="N", help="training steps of the transformer; others follow"
    )
    parser.add_argument("--videos", type=int, default=24, metavar="N", help="sample videos to make")
    parser.add_argument("--resume", action="store_true", help="go on where the last call was stopped")


def run(options: Namespace) -> None:
    """Build, train, evaluate and show."""
    from ..io._files import write_text
    from ..render import save_skeleton_video
    from ..text import EmbeddedTextEncoder
    from ._shared._tour import next_commands, write_tour

    began = time.perf_counter()
    if (options.poses is None) != (options.transcripts is None):
        raise UsageError("--poses and --transcripts belong together.", fix="Give both, or neither.")
    if options.videos < 4:
        raise UsageError("--videos are too few to train and to measure.", expected="at least 4", found=options.videos)
    for folder in filter(None, (options.poses, options.transcripts)):
        sources_folder(folder)
    say(f"{told(OPENING)} {told('Everything goes to')} {options.output.absolute()}")
    show_at_once(options)
    tell("1 of 5: the corpus, from poses and words", began)
    corpus, labels = make_corpus(options, options.output / "KTubeUM")
    if not (corpus.names("train") and corpus.names("val")):
        for name in corpus.names()[:3]:
            clip = corpus.motion(name)[:400]
            save_skeleton_video(clip, options.output / f"{name}.mp4", titles=clip.name)
        say(f"One video cannot be split into train and val: clips and pictures of them are in {options.output}.")
        return
    encoder = EmbeddedTextEncoder()
    tell("2 of 5: the tokenizer and, beside it, two judges", began)
    tokenizer, evaluator, judge = train_tokenizer_and_judges(options, corpus, encoder)
    tell("3 of 5: the transformer that hears words", began)
    pipeline = train_speaker(options, corpus, encoder, tokenizer)
    tell("4 of 5: measuring on people and talks that were held out", began)
    reports = evaluate(options, corpus, pipeline, evaluator, judge, labels)
    tell("5 of 5: speaking", began)
    show(options, pipeline, corpus)
    summary = closing_table(pipeline, reports, time.perf_counter() - began)
    write_text(options.output / "summary.txt", summary + "\n")
    page = write_tour(options.output, options.say, summary, reports)
    say(f"\n{summary}\n\n{told('Look at')} {page.absolute()}\n{told('Next')}:")
    for what, line in next_commands(options.output).items():
        say(f"  {line}   # {told(what)}")


def show_at_once(options: Namespace) -> None:
    """Say the first sentence with the speaker that comes with the library, before anything is trained."""
    import torch

    from ..io._files import make_folder
    from ..pipeline import UtteranceToMotion
    from ..render import save_skeleton_video

    speaker = UtteranceToMotion.from_pretrained("sample-speaker")
    (motion,) = speaker.generate(options.say[:1], generator=torch.Generator().manual_seed(0))
    path = make_folder(options.output) / "sample_speaker.mp4"
    save_skeleton_video(motion, path, titles=motion.name)
    shown = told("The speaker that comes with the library says it in this video; now one of your own is trained:")
    say(f"{shown} {path}")


def tell(step: str, began: float) -> None:
    """Say which step begins, and when."""
    say(f"[{time.perf_counter() - began:4.0f} s] {told(step)}")


def make_corpus(options: Namespace, root: Path) -> "tuple[Corpus, dict[str, list[Label]]]":
    """Build the corpus from samples, from the user's files, or from a folder of gestures; give labels of samples."""
    from ..construct import build_gesture_corpus
    from ..io._executors import given_or_own
    from ._shared._steps import FEW_VIDEOS, make_sample_videos

    if options.gestures:
        return build_gesture_corpus(options.gestures, root), {}
    if options.poses is not None:
        return build(options.poses, options.transcripts, root), {}
    held_out = max(0.2, 2 / options.videos)  # two talks at least, to compare; nothing is left for a test
    videos = options.output / "videos"
    with given_or_own(None, options.videos // FEW_VIDEOS) as executor:
        labels = make_sample_videos(videos, options.videos, concepts=GESTURES, wordings=WORDINGS, executor=executor)
        return build(videos, videos, root, executor=executor, split_sizes=(1 - held_out, held_out, 0.0)), labels


def build(
    poses: Path, transcripts: Path, root: Path, *, executor: "Executor | None" = None, **changes: Any
) -> "Corpus":
    """Build a corpus of whole talks."""
    from ..construct import BuildOptions, build_corpus, pair_sources
    from ..io import Corpus

    sources, alone = pair_sources(sources_folder(poses), sources_folder(transcripts))
    for path in alone:
        say(f"no partner: {path}")
    say(build_corpus(sources, root, options=BuildOptions(talk_seconds=TALK, **changes), executor=executor))
    return Corpus(root)


def train_tokenizer_and_judges(
    options: Namespace, corpus: "Corpus", encoder: "TextEncoder"
) -> "tuple[MotionTokenizer, MotionEvaluator, SpeechEvaluator | None]":
    """Train the tokenizer here and the judges in another process; each has half of the processors.

    Models as small as these use two processors badly: side by side they are there sooner than one after the other.
    """
    import torch

    from ..evaluators import MotionEvaluator, SpeechEvaluator
    from ..io._executors import processes
    from ..text import word_encoder

    judged = not options.gestures and len(corpus.names("val")) > 1
    if not (judged or options.gestures):
        say("Only one talk is held out: there is none to compare it with, and the timing is not judged.")
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - threads // 2))
    try:
        with processes(1) as pool:
            judges = pool.submit(train_judges, options, judged, max(1, threads // 2))
            tokenizer = train_tokenizer(options, corpus)
            judges.result()
    finally:
        torch.set_num_threads(threads)
    evaluator = MotionEvaluator.from_pretrained(options.output / "evaluator/best_top3", text_encoder=encoder)
    judge = None
    if judged:
        words = word_encoder(encoder)
        judge = SpeechEvaluator.from_pretrained(options.output / "judge/best_preferred", word_encoder=words)
    return tokenizer, evaluator, judge


def schedule(steps: int) -> dict[str, Any]:
    """Give when the tokenizer and the transformer are measured and saved, and learn more slowly."""
    often = {"evaluate_every": max(steps // 2, 1), "save_every": 400, "warmup": 50}
    return {"steps": steps, "milestones": (int(steps * 0.8),), "decay": 0.2, **often}


def train_tokenizer(options: Namespace, corpus: "Corpus") -> "MotionTokenizer":
    """Train the tokenizer; it goes on where it was stopped."""
    from .. import training
    from ..vq import TokenizerConfig

    return training.train_tokenizer(
        training.TokenizerTraining(
            batch_size=16, learning_rate=1e-3, tokenizer=TokenizerConfig(width=128, num_codes=512, down_t=1),
            **schedule(7 * options.steps // 4),
        ),
        corpus, options.output / "tokenizer", resume=options.resume,
    )  # fmt: skip


def train_judges(options: Namespace, judged: bool, threads: int) -> None:
    """Train who judges motion and sentence and, if the timing is judged, motion and words in time."""
    import torch

    from ..io import Corpus
    from ..text import EmbeddedTextEncoder, word_encoder
    from ..training import EvaluatorTraining, SpeechEvaluatorTraining, train_evaluator, train_speech_evaluator

    torch.set_num_threads(threads)
    corpus, encoder = Corpus(options.output / "KTubeUM"), EmbeddedTextEncoder()
    steps = max(options.steps // 3, min(options.steps, 300))
    quiet: dict[str, Any] = {"resume": options.resume, "progress": False}  # the bar is the tokenizer's
    train_evaluator(
        EvaluatorTraining(
            batch_size=32, learning_rate=1e-3, steps=steps, warmup=50, evaluate_every=max(steps // 3, 1), save_every=200
        ),
        corpus, options.output / "evaluator", text_encoder=encoder, **quiet,
    )  # fmt: skip
    if judged:
        how: dict[str, Any] = {"evaluate_every": max(steps // 2, 1), "save_every": 200, "decay": 0.2}
        train_speech_evaluator(
            SpeechEvaluatorTraining(steps=steps, milestones=(int(steps * 0.8),), **how), corpus,
            options.output / "judge", word_encoder=word_encoder(encoder), **quiet,
        )  # fmt: skip


def train_speaker(
    options: Namespace, corpus: "Corpus", encoder: "TextEncoder", tokenizer: "MotionTokenizer"
) -> "UtteranceToMotion":
    """Train the transformer, and keep it with the tokenizer; it goes on where it was stopped."""
    from ..gpt import TransformerConfig
    from ..pipeline import UtteranceToMotion
    from ..text import word_encoder
    from ..training import TransformerTraining, train_transformer

    talks: dict[str, Any] = {} if options.gestures else {"word_encoder": word_encoder(encoder)}
    transformer = train_transformer(
        TransformerTraining(
            batch_size=16, learning_rate=1e-3, betas=(0.9, 0.99), text_dropout=0.5 if talks else 0.0,
            transformer=TransformerConfig(
                width=192, num_layers=2, num_heads=6, block_size=41 if talks else 101, word_past=10, word_ahead=12
            ),
            **schedule(options.steps),
        ),
        corpus, options.output / "transformer", tokenizer=tokenizer, text_encoder=encoder, resume=options.resume,
        cache=options.output / "tokens", **talks,
    )  # fmt: skip
    # Only who has learned to go without text can be guided by it.
    sampling = {"top_p": 0.8, "guidance_scale": 2.0} if talks else {"top_p": 0.9}
    pipeline = UtteranceToMotion(tokenizer, transformer, encoder, sampling=sampling)
    pipeline.save_pretrained(options.output / "pipeline")
    return pipeline


def evaluate(
    options: Namespace,
    corpus: "Corpus",
    pipeline: "UtteranceToMotion",
    evaluator: "MotionEvaluator",
    judge: "SpeechEvaluator | None",
    labels: "dict[str, list[Label]]",
) -> "dict[str, Report]":
    """Measure what the tokenizer loses, whether motion fits its sentence, and whether it comes on its words."""
    from ..evaluation import EvaluationConfig, SpeechConfig, evaluate_generation, evaluate_speech, evaluate_tokenizer

    protocol = EvaluationConfig.ktube(split="val", repeats=3, multimodality_texts=0)
    folder = options.output / "evaluation"
    how: dict[str, Any] = {"evaluator": evaluator, "config": protocol}
    reports = {
        "tokenizer": evaluate_tokenizer(pipeline.tokenizer, corpus, folder=folder / "tokenizer", **how),
        "generation": evaluate_generation(pipeline, corpus, folder=folder / "generation", save_predictions=True, **how),
    }
    if judge is not None:
        reports["speech"] = evaluate_speech(
            pipeline, corpus, evaluator=judge, config=SpeechConfig(split="val"),
            strokes=strokes_of(corpus, labels) if labels else None,
        )  # fmt: skip
        reports["speech"].save(folder / "speech")
    return reports


def strokes_of(corpus: "Corpus", labels: "dict[str, list[Label]]") -> dict[str, list[float]]:
    """Give when the hands of sample speakers arrive, for each clip, in seconds from its start."""
    from ..io._manifests import read_manifest

    clips = read_manifest(corpus.root, needed=["clips"])["clips"]
    return {
        clip["name"]: [
            label.stroke - clip["start"]
            for label in labels[clip["source"]]
            if label.hand != "none" and clip["start"] <= label.onset and label.release <= clip["end"]
        ]
        for clip in clips
    }


def show(options: Namespace, pipeline: "UtteranceToMotion", corpus: "Corpus") -> None:
    """Speak the sentences, and lay real and generated motion side by side."""
    import torch

    from ..render import save_html, save_skeleton_video
    from ..types import Utterance

    seeded = torch.Generator().manual_seed(0)
    motions = pipeline.generate(options.say, generator=seeded)
    for number, motion in enumerate(motions):
        if len(motion):
            save_skeleton_video(motion, options.output / f"say_{number}.mp4", titles=motion.name)
            save_html(motion, options.output / f"say_{number}.html", utterance=motion.name)
    name = corpus.names("val")[0]
    real = corpus.motion(name)[: round(SHOWN * corpus.fps)]
    if pipeline.hears_words:
        said = [text for text in corpus.texts(name) if text.end <= real.seconds]
        again = pipeline.speak(said, seconds=real.seconds, generator=seeded)
    else:
        said = [Utterance(0.0, real.seconds, real.name)]
        (again,) = pipeline.generate([real.name], seconds=real.seconds, generator=seeded)
    save_skeleton_video(
        [real, again], options.output / "real_and_generated.mp4", titles=["real", "generated"], subtitles=said
    )


def closing_table(pipeline: "UtteranceToMotion", reports: "dict[str, Report]", seconds: float) -> str:
    """Sum the run up in a few lines."""
    code, spoken = reports["tokenizer"].table["reconstructed"], reports["generation"]
    use, about_root, globally = (code[name].mean for name in ("codes_used", "root_mpjpe_mm", "mpjpe_mm"))
    rows = [
        ("tokenizer MPJPE", f"{about_root:.1f} mm about the root, {globally:.1f} mm globally"),
        ("codes used", f"{use:.0f} of {pipeline.tokenizer.config.num_codes}"),
        *((f"R-precision top 3, {row}", f"{spoken[row, 'r_precision_top3'].mean:.3f}")
          for row in ("real", "generated", "shuffled", "chance")),
        ("FID of generated motion", f"{spoken['generated', 'fid'].mean:.3f}"),
    ]  # fmt: skip
    if "speech" in reports:
        rows += timing_rows(reports["speech"])
    return table([*rows, ("seconds spent", f"{seconds:.0f}")])


def timing_rows(speech: "Report") -> list[tuple[str, str]]:
    """Say whether motion comes on its words: by the strokes of its hands, and by the judge."""
    wanted = [("stroke_lag_median_s", "stroke lag, median s"), ("own_over_other", "own words preferred to another's")]
    wanted.append(("own_over_0.5s", "own words preferred to 0.5 s off"))
    found = speech.table
    return [
        (name, ", ".join(f"{row} {found[row][key].mean:.2f}" for row in ("real", "generated", "shuffled")))
        for key, name in wanted
        if key in found["real"]
    ]
