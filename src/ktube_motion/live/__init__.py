"""Live: words come, and an avatar moves: VMC protocol over UDP, a WebSocket for web pages, mouths and all.

`speak_live` reads words as JSON lines and drives avatars in time, until the
words end. A process of its own keeps the beat, so that the model's work does
not shake it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._session import LiveReport as LiveReport
    from ._session import speak_live as speak_live
    from ._vmc import vmc_messages as vmc_messages

_HOME = {"LiveReport": "session", "speak_live": "session", "vmc_messages": "vmc"}

__all__ = [*_HOME]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # When first used: the process that keeps the beat starts without torch.
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}._{_HOME[name]}"), name)
        return value
