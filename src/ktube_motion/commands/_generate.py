r"""Speak a sentence, or a whole talk, and see the gesture.

Needs no training: the speaker that comes with the library is there at once.

    ktube-motion generate --say "여러분 안녕하세요"
    ktube-motion generate --talk lecture.srt --output talk.bvh
    ktube-motion generate --words words.json --output talk.html
    ktube-motion generate --say "왼쪽을 봐 주세요." --transformer output/GPT/net_best_fid.pth \
        --seconds 3 --output output/left.html

Takes the folder that quickstart leaves (--pipeline), or a checkpoint of train-gpt (--transformer), instead.

Writes --output, in the format its suffix names: .mp4 and .gif a video, .html a page to turn and zoom,
.bvh and .glb for animation programs, .vrma for VRM avatars, .npz SMPL-X poses, .npy the joints, which `edit`
changes; by default gesture.mp4, or a page where videos cannot be written.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError
from ._shared._console import say
from ._shared._options import UsageError, add_flags, seed_number
from ._shared._places import existing

if TYPE_CHECKING:
    from ..pipeline import UtteranceToMotion
    from ..types import Cue, Utterance

SPEAKER = "sample-speaker"
OURS = "guidance-scale text-encoder text-tokenizer text-pooling bone-names unit body as-given"


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    words = parser.add_argument_group("what to say (one of them)").add_mutually_exclusive_group(required=True)
    words.add_argument("--say", metavar="TEXT", help="one utterance")
    words.add_argument("--talk", metavar="TEXT", help="a paragraph or a transcript file (.srt, .vtt): one long motion")
    words.add_argument(
        "--words", type=Path, metavar="FILE", help="transcript with the time of every word: JSON of a recogniser or "
        "of word marks (text, start, end in seconds), TextGrid, .vtt with word stamps"
    )  # fmt: skip
    add_model_options(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help=".mp4 .gif .html .bvh .glb .vrma .npz .npy")
    parser.add_argument("--seconds", type=float, metavar="X", help="exact length; by default the model ends by itself")
    add_sampling_options(parser)
    parser.add_argument("--int8", action="store_true", help="int8 weights: faster on a CPU")
    add_flags(parser, ours=OURS)


def add_model_options(parser: ArgumentParser) -> None:
    """Add the flags that say which model."""
    model = parser.add_argument_group("the model (one of them)").add_mutually_exclusive_group()
    model.add_argument("--transformer", metavar="PATH", help="checkpoint of train-gpt: a .pth or a folder")
    model.add_argument("--pipeline", default=SPEAKER, metavar="DIR", help="folder of UtteranceToMotion.save_pretrained")
    parser.add_argument("--tokenizer", metavar="PATH", help="its tokenizer; by default the one it was trained on")


def add_sampling_options(parser: ArgumentParser) -> None:
    """Add the flags that say how tokens are drawn; `add_flags` adds ``--guidance-scale``."""
    parser.add_argument("--seed", type=seed_number, default=0, metavar="N", help="another seed, another gesture")
    parser.add_argument("--temperature", type=float, metavar="X", help="0 always takes the likeliest token")
    parser.add_argument("--top-p", type=float, metavar="X", help="draw from the likeliest tokens of this share only")


def asked_sampling(options: Namespace) -> dict[str, Any]:
    """Give what was said of drawing tokens; what was not said is as the pipeline usually does it."""
    names = ("temperature", "top_p", "guidance_scale")
    return {name: getattr(options, name) for name in names if name in options.given}


def run(options: Namespace) -> None:
    """Generate one motion and write it."""
    import torch

    from ..gpt import quantize
    from ..pipeline import UtteranceToMotion
    from ..types import Cue
    from ._shared._motions import check_suffix, write_motion

    output = options.output or usual_output()
    check_suffix(output)
    pipeline = load(options)
    if options.int8:
        pipeline = UtteranceToMotion(
            pipeline.tokenizer, quantize(pipeline.transformer), pipeline.text_encoder, sampling=pipeline.sampling
        )
    sampling = asked_sampling(options) | {
        "seconds": options.seconds,
        "generator": torch.Generator().manual_seed(options.seed),
    }
    if options.say is not None:
        (motion,) = pipeline.generate([options.say], **sampling)
        words: Sequence[Cue] = [Cue(0.0, motion.seconds, motion.name)]
    else:
        words, sampling["seconds"] = talk_of(options, pipeline)
        motion = pipeline.speak(words, **sampling)
    if not len(motion):
        raise DataError("The model ended before the first frame.", fix="Try another --seed, or give --seconds.")
    write_motion(motion, output, options, words=words)
    say(f"{motion.seconds:.1f} s of motion in {output}")


def usual_output() -> Path:
    """Give the name of a video; that of a page, and say why, where no video can be written."""
    from importlib.util import find_spec

    if all(map(find_spec, ("imageio_ffmpeg", "matplotlib", "PIL"))):
        return Path("gesture.mp4")
    say('Videos need pip install "ktube_motion[render]": this is a page to turn and zoom instead.')
    return Path("gesture.html")


def talk_of(options: Namespace, pipeline: "UtteranceToMotion") -> "tuple[list[Utterance], float]":
    """Give the utterances of a talk, and its length in seconds."""
    from ..pipeline import read_talk
    from ..pipeline._hearing import LEAD_IN
    from ..text import timed_words

    if options.words is None:
        lead_in = LEAD_IN if pipeline.hears_words else 0.0
        return read_talk(options.talk, options.seconds, lead_in=lead_in)[1:]
    existing(options.words, "words", flag="--words", make="a speech recogniser")
    _, spoken, seconds = read_talk(words_of(options.words), options.seconds)
    told = [word.source for utterance in spoken for word in timed_words(utterance)]
    if "given" not in told:
        raise DataError(
            "This transcript does not say when each word is said.", where=options.words, expected="times of words",
            fix="Give it as --talk: then they are estimated.",
        )  # fmt: skip
    if (unknown := told.count("estimated")) > 0:
        say(f"{unknown} of {len(told)} words have no time; theirs is estimated.")
    return spoken, seconds


def words_of(path: Path) -> "list[Cue]":
    """Read a transcript of words; where each cue is one word, its times are that word's."""
    from ..io import load_transcript
    from ..types import Word

    cues = load_transcript(path)
    marks = path.suffix == ".json" and all(not cue.words and len(cue.text.split()) == 1 for cue in cues)
    return [replace(cue, words=(Word(cue.start, cue.end, cue.text),)) for cue in cues] if marks else cues


def load(options: Namespace) -> "UtteranceToMotion":
    """Load tokenizer, transformer and text encoder, which must belong together."""
    from ..pipeline import UtteranceToMotion
    from ._shared._checkpoints import about_checkpoint, load_transformer, tokenizer_of
    from ._shared._encoders import DEVICE, choose_text_encoder

    if not options.transformer:
        if options.tokenizer:
            raise UsageError("A pipeline has a tokenizer of its own.", fix="Give --tokenizer with --transformer alone.")
        if options.text_tokenizer and not options.text_encoder:
            raise UsageError("A pipeline's text encoder has a tokenizer.", fix="Give --text-encoder too.")
        if options.pipeline != SPEAKER:
            existing(options.pipeline, "pipeline", flag="--pipeline", make="ktube-motion quickstart")
        encoder = choose_text_encoder(options, "ktube")[0] if options.text_encoder else None
        return UtteranceToMotion.from_pretrained(options.pipeline, text_encoder=encoder, map_location=DEVICE)
    transformer = load_transformer(options.transformer, flag="--transformer")
    about = about_checkpoint(options.transformer)
    path = options.tokenizer or about.get("tokenizer_path")
    if path is None:
        raise ConfigError("Which tokenizer?", where=options.transformer, fix="Give --tokenizer.")
    tokenizer = tokenizer_of(transformer, path, because=options.transformer, flag="--tokenizer")
    encoder, _ = choose_text_encoder(options, about.get("dataname", "t2m"), about.get("text_encoder"))
    return UtteranceToMotion(tokenizer, transformer, encoder)
