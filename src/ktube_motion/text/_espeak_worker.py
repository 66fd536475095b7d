"""Speak words with eSpeak NG: run as a script of its own, so that a fault of the C library ends no one else.

``python _espeak_worker.py LIBRARY DATA VOICE`` reads one word a line from stdin and answers each with a line
``SAMPLES`` and as many 16-bit samples; first of all comes a line with the sample rate. It needs nothing but Python,
and is the only place that touches the library, which is under the GPL-3.
"""

import ctypes
import sys
from typing import Any

SYNCHRONOUS, UTF8, NO_EXIT = 2, 1, 0x8000
SPEAK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def main(library: str, data: str, voice: str) -> None:
    espeak = ctypes.CDLL(library)
    rate = espeak.espeak_Initialize(SYNCHRONOUS, 0, data.encode() or None, NO_EXIT)
    if rate <= 0 or espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        sys.exit(f"eSpeak NG has no voice {voice!r}.")
    spoken = bytearray()

    def collect(samples: Any, count: int, events: Any) -> int:
        spoken.extend(ctypes.string_at(samples, 2 * count) if count else b"")
        return 0

    callback = SPEAK(collect)
    espeak.espeak_SetSynthCallback(callback)
    out = sys.stdout.buffer
    out.write(b"%d\n" % rate)
    out.flush()
    for line in sys.stdin.buffer:
        word = line.strip()
        spoken.clear()
        espeak.espeak_Synth(word, ctypes.c_size_t(len(word) + 1), 0, 1, 0, UTF8, None, None)
        out.write(b"%d\n" % (len(spoken) // 2) + bytes(spoken))
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
