"""Write down every public name with its signature: ``python tests/update_public_api.py``.

`public_api.txt` beside this file is the contract with users; `test_public_api`
fails when the package says something else.
"""

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import ktube_motion

SNAPSHOT = Path(__file__).with_name("public_api.txt")
SPOKEN = ("__call__", "__getitem__", "__iter__", "__len__")  # methods that a user writes without their name


def public_api() -> list[str]:
    """Give one line for each public name of the package: what it exports itself, then room by room."""
    lines = [f"ktube_motion.{name}" for name in sorted(ktube_motion.__all__)]
    for room in rooms():
        lines += _of_module(importlib.import_module(f"ktube_motion.{room}"), room)
    return lines


def rooms() -> list[str]:
    """Give the rooms and leaves: the modules of the package itself that are not private."""
    return [info.name for info in pkgutil.iter_modules(ktube_motion.__path__) if not info.name.startswith("_")]


def difference(written: list[str], found: list[str]) -> str:
    """Say what is new and what is gone, and what to do about it; nothing where all is the same."""
    changed = list(difflib.unified_diff(written, found, "public_api.txt", "the package", lineterm="", n=0))
    if not changed:
        return ""
    advice = (
        "If this is meant, add it to CHANGELOG.md and update the snapshot with `python tests/update_public_api.py`."
    )
    return "\n".join(["The public names of the package have changed.", *changed, advice])


def _of_module(module, room: str) -> Iterator[str]:
    for name in sorted(module.__all__):
        thing = getattr(module, name)
        if inspect.isclass(thing):
            yield from _of_class(thing, f"{room}.{name}")
        elif callable(thing):
            yield f"{room}.{name}{_signature(thing)}"
        else:
            yield f"{room}.{name}: {type(thing).__name__}"


def _of_class(cls: type, place: str) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    yield f"class {place}({bases})" if bases else f"class {place}"
    # Of a class with a `__new__` of its own too, the versions of Python 3.11 name the one or the other.
    made = inspect.isfunction(cls.__init__)
    yield f"{place}.__init__" + (re.sub(r"^\(self(, )?", "(", _signature(cls.__init__)) if made else _signature(cls))
    members = {}
    for owner in reversed(cls.__mro__):
        if owner.__module__.startswith("ktube_motion"):
            members.update(vars(owner))
    for name, member in sorted(members.items()):
        if name.startswith("_") and name not in SPOKEN:
            continue
        if isinstance(member, (classmethod, staticmethod)):
            yield f"{place}.{name}{_signature(getattr(cls, name))}"
        elif inspect.isfunction(member):
            yield f"{place}.{name}{_signature(member)}"
        else:
            yield f"{place}.{name}"


def _signature(thing) -> str:
    """Give the signature with bare names of types and without addresses: the same in every run."""
    try:
        text = str(inspect.signature(thing))
    except ValueError:  # a class made in C
        return "(...)"
    for pattern, plain in (
        (r" at 0x[0-9a-f]+", ""),
        (r"(?<=[:>] )'([^']*)'", r"\1"),
        (r"\b([A-Za-z_]\w*\.)+(?=\w)", ""),
    ):
        text = re.sub(pattern, plain, text)
    return text


if __name__ == "__main__":
    lines = public_api()
    SNAPSHOT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} lines in {SNAPSHOT}")
