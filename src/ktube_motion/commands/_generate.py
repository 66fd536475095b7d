r"""Speak a sentence, or a whole talk, and see the gesture.

Needs a trained model: the folder that quickstart leaves, or a checkpoint of train-gpt.

    ktube-motion generate --say "안녕하세요, 만나서 반갑습니다." --pipeline output/quickstart/pipeline
    ktube-motion generate --say "왼쪽을 봐 주세요." --transformer output/GPT/net_best_fid.pth \
        --seconds 3 --output output/left.html
    ktube-motion generate --talk lecture.srt --pipeline output/quickstart/pipeline --output talk.bvh

Writes --output, in the format its suffix names: .mp4 and .gif a video, .html a page to turn and zoom,
.bvh and .glb for animation programs, .npz SMPL-X poses, .npy the joints, which `edit` changes.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, DataError
from ..types import Cue
from ._shared._console import say
from ._shared._options import add_flags
from ._shared._places import existing

if TYPE_CHECKING:
    from ..pipeline import UtteranceToMotion

OURS = "guidance-scale text-encoder text-tokenizer text-pooling bone-names unit body"


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    words = parser.add_argument_group("what to say (one of them)").add_mutually_exclusive_group(required=True)
    words.add_argument("--say", metavar="TEXT", help="one utterance")
    words.add_argument("--talk", metavar="TEXT", help="a paragraph or a transcript file (.srt, .vtt): one long motion")
    model = parser.add_argument_group("the model (one of them)").add_mutually_exclusive_group(required=True)
    model.add_argument("--transformer", metavar="PATH", help="checkpoint of train-gpt: a .pth or a folder")
    model.add_argument("--pipeline", metavar="DIR", help="folder of UtteranceToMotion.save_pretrained")
    parser.add_argument("--tokenizer", metavar="PATH", help="its tokenizer; by default the one it was trained on")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/say.mp4"),
        metavar="FILE",
        help=".mp4 .gif .html .bvh .glb .npz .npy",
    )
    parser.add_argument("--seconds", type=float, metavar="X", help="exact length; by default the model ends by itself")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, another gesture")
    parser.add_argument(
        "--temperature", type=float, default=1.0, metavar="X", help="0 always takes the likeliest token"
    )
    parser.add_argument("--top-p", type=float, metavar="X", help="draw from the likeliest tokens of this share only")
    parser.add_argument("--int8", action="store_true", help="int8 weights: faster on a CPU")
    add_flags(parser, ours=OURS)


def run(options: Namespace) -> None:
    """Generate one motion and write it."""
    import torch

    from ..gpt import quantize
    from ..pipeline import UtteranceToMotion, read_talk
    from ._shared._motions import check_suffix, write_motion

    check_suffix(options.output)
    pipeline = load(options)
    if options.int8:
        pipeline = UtteranceToMotion(pipeline.tokenizer, quantize(pipeline.transformer), pipeline.text_encoder)
    sampling = {"temperature": options.temperature, "top_p": options.top_p, "guidance_scale": options.guidance_scale}
    sampling |= {"seconds": options.seconds, "generator": torch.Generator().manual_seed(options.seed)}
    if options.say is not None:
        (motion,) = pipeline.generate([options.say], **sampling)
        words: Sequence[Cue] = [Cue(0.0, motion.seconds, motion.name)]
    else:
        _, words, sampling["seconds"] = read_talk(options.talk, options.seconds)
        motion = pipeline.speak(words, **sampling)
    if not len(motion):
        raise DataError("The model ended before the first frame.", fix="Try another --seed, or give --seconds.")
    write_motion(motion, options.output, options, words=words)
    say(f"{motion.seconds:.1f} s of motion in {options.output}")


def load(options: Namespace) -> "UtteranceToMotion":
    """Load tokenizer, transformer and text encoder, which must belong together."""
    from ..pipeline import UtteranceToMotion
    from ._shared._checkpoints import about_checkpoint, load_transformer, tokenizer_of
    from ._shared._encoders import DEVICE, choose_text_encoder

    if options.pipeline:
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
