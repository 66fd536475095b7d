r"""Move an avatar while words are said: VMC for VRM avatars, a WebSocket for web pages.

Needs no training: the speaker that comes with the library is there at once.

    my-speech-engine | ktube-motion live
    ktube-motion live --pipeline output/quickstart/pipeline --listen 9000 --websocket 8765

Reads lines of JSON from standard input, or from whoever connects to --listen, with times in seconds:
{"word": "...", "start": 1.2, "end": 1.5} or {"text": "... ... ...", "start": 1.2}. The time of the first word is
now. A word should come before it is said; a line that is wrong is told and left out.

Writes no file. It sends, --fps times a second, bones, root and mouth to --vmc (VSeeFace, VMagicMirror, VNyan,
Warudo, Unity and Blender receivers) and to pages that connect to --websocket. Both are on this machine unless a
host is named.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from ._generate import add_model_options, add_sampling_options, asked_sampling, load
from ._shared._console import complain, say
from ._shared._options import add_flags


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_model_options(parser)
    parser.add_argument("--vmc", default="39539", metavar="[HOST:]PORT", help="where VMC goes to over UDP, or none")
    parser.add_argument("--websocket", metavar="[HOST:]PORT", help="serve poses to web pages")
    parser.add_argument("--listen", metavar="[HOST:]PORT", help="read lines from a TCP socket, not from standard input")
    parser.add_argument("--fps", type=float, default=30.0, metavar="X", help="poses a second")
    parser.add_argument("--hips-height", type=float, metavar="X", help="of the avatar, in metres: scales its path")
    parser.add_argument("--vrm", type=int, default=0, choices=(0, 1), help="0 calls mouths A I U E O, 1 aa ih ou ee oh")
    add_sampling_options(parser)
    add_flags(parser, ours="guidance-scale text-encoder text-tokenizer text-pooling")


def run(options: Namespace) -> None:
    """Read words and send poses, until the words end."""
    import sys

    from ..live import speak_live
    from ..live._sockets import listen, parse_place, socket_lines

    vmc = None if options.vmc == "none" else parse_place(options.vmc)
    websocket = None if options.websocket is None else parse_place(options.websocket)
    server = None if options.listen is None else listen(parse_place(options.listen))
    lines: Iterable[str] = sys.stdin if server is None else socket_lines(server, complain)
    report = speak_live(
        load(options),
        lines,
        vmc=vmc,
        websocket=websocket,
        fps=options.fps,
        hips_height=options.hips_height,
        vrm=options.vrm,
        tell=complain,
        ready=lambda port: complain(_welcome(vmc, websocket and (websocket[0], port))),
        seed=options.seed,
        **asked_sampling(options),
    )
    say(
        f"{report.words} words, {report.frames} poses; {report.bad_lines} bad lines, {report.late_words} late words; "
        f"gestures {report.delay:.2f} s behind their words; poses late by {report.jitter_p99_ms:.1f} ms (99 %); "
        f"waited {report.stalled:.1f} s for the model"
    )


def _welcome(vmc: tuple[str, int] | None, websocket: tuple[str, int] | None) -> str:
    places = [] if vmc is None else [f"VMC to {vmc[0]}:{vmc[1]}"]
    places += [] if websocket is None else [f"web pages at ws://{websocket[0]}:{websocket[1]}"]
    return f"Ready: {', '.join(places)}. Waiting for words."
