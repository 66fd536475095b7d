"""Speak a sentence, or a whole talk, and see the gesture."""

import argparse
from pathlib import Path

import torch
from _encoders import DEVICE, choose_text_encoder
from _options import OURS
from _workflow import about_checkpoint, load_transformer, run, tokenizer_of

from ktube_motion import UtteranceToMotion
from ktube_motion.errors import ConfigError, DataError
from ktube_motion.gpt import quantize
from ktube_motion.pipeline import read_talk
from ktube_motion.render import save_html, save_skeleton_video


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    words = parser.add_mutually_exclusive_group(required=True)
    words.add_argument("--say", metavar="TEXT", help="one utterance")
    words.add_argument("--talk", metavar="TEXT", help="a paragraph or a transcript file (.srt, .vtt): one long motion")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--transformer", help="checkpoint of train_t2m_trans.py: a .pth or a folder")
    model.add_argument("--pipeline", help="folder of UtteranceToMotion.save_pretrained, as quickstart.py makes one")
    parser.add_argument("--tokenizer", help="its tokenizer; by default the one it was trained on")
    parser.add_argument("--seconds", type=float, help="exact length; by default the model ends by itself")
    parser.add_argument("--output", type=Path, default=Path("output/say.mp4"), help=".mp4 or .html")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-p", type=float, default=None, help="draw from the likeliest tokens of this share only")
    parser.add_argument(
        "--guidance-scale", type=float, default=1.0, help="follow the text harder: 2, for models with --text-dropout"
    )
    parser.add_argument("--int8", action="store_true", help="int8 weights: faster on a CPU")
    for name in ("text-encoder", "text-tokenizer", "text-pooling"):
        parser.add_argument(f"--{name}", help=OURS[name][2])
    return parser.parse_args()


def load(options):
    """Load tokenizer, transformer and text encoder, which must belong together."""
    if options.pipeline:
        encoder = choose_text_encoder(options, "ktube")[0] if options.text_encoder else None
        return UtteranceToMotion.from_pretrained(options.pipeline, text_encoder=encoder, map_location=DEVICE)
    about = about_checkpoint(options.transformer)
    transformer = load_transformer(options.transformer)
    path = options.tokenizer or about.get("tokenizer_path")
    if path is None:
        raise ConfigError("Which tokenizer?", where=options.transformer, fix="Give --tokenizer.")
    tokenizer = tokenizer_of(transformer, path, because=options.transformer)
    encoder, _ = choose_text_encoder(options, about.get("dataname", "t2m"), about.get("text_encoder"))
    return UtteranceToMotion(tokenizer, transformer, encoder)


def main():
    options = read_arguments()
    if options.output.suffix not in (".mp4", ".html"):
        raise ConfigError("--output cannot be written.", expected="a name in .mp4 or .html", found=options.output.name)
    pipeline = load(options)
    if options.int8:
        pipeline = UtteranceToMotion(pipeline.tokenizer, quantize(pipeline.transformer), pipeline.text_encoder)
    sampling = {"temperature": options.temperature, "top_p": options.top_p, "guidance_scale": options.guidance_scale}
    sampling |= {"seconds": options.seconds, "generator": torch.Generator().manual_seed(options.seed)}
    if options.say is not None:
        (motion,) = pipeline.generate([options.say], **sampling)
        spoken = motion.name
    else:
        _, spoken, sampling["seconds"] = read_talk(options.talk, options.seconds)
        motion = pipeline.speak(spoken, **sampling)
    if not len(motion):
        raise DataError("The model ended before the first frame.", fix="Try another --seed, or give --seconds.")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if options.output.suffix == ".html":
        save_html(motion, options.output, utterance=spoken)
    else:
        save_skeleton_video(motion, options.output, titles="", subtitles=spoken)
    print(f"{motion.seconds:.1f} s of motion in {options.output}")


if __name__ == "__main__":
    run(main)
