"""Put faults into a room, one at a time, and see whether its tests notice: ``python tests/mutation.py filters``.

Runs cosmic-ray (``pip install cosmic-ray``) on a copy of the checkout, on a
seeded sample of all the faults it can make; prints the score and what survived.
"""

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {
    "features": "tests/test_features.py",
    "filters": "tests/test_filters.py",
    "gpt": "tests/test_gpt_sampling.py tests/test_gpt_text.py tests/test_gpt_transformer.py tests/test_gpt_words.py "
    "tests/test_gpt_quantized.py",
    "metrics": "tests/test_metrics.py tests/test_metrics_seams.py tests/test_metrics_strokes.py",
    "vq": "tests/test_vq_golden.py tests/test_vq_quantizers.py tests/test_vq_tokenizer.py",
}
CONFIG = """
[cosmic-ray]
module-path = "src/ktube_motion/{room}"
timeout = {timeout}
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"
"""


def in_annotation(path: Path, position: tuple[int, int]) -> bool:
    """Tell whether a place in a file belongs to a type, which no test can see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    notes = [node.annotation for node in ast.walk(tree) if getattr(node, "annotation", None) is not None]
    notes += [node.returns for node in ast.walk(tree) if getattr(node, "returns", None) is not None]
    return any((n.lineno, n.col_offset) <= position < (n.end_lineno, n.end_col_offset) for n in notes)


def measure(room: str, *, sample: int, seed: int, timeout: float) -> None:
    """Print how many of `sample` faults in a room its tests find."""
    from cosmic_ray.work_db import use_db

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__"))
        shared = ROOT.parent / "shared"
        if shared.exists():
            (Path(folder) / "shared").symlink_to(shared.resolve())
        config = CONFIG.format(room=room, timeout=timeout, python=sys.executable, tests=TESTS[room])
        (copy / "mutation.toml").write_text(config)
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
        run = lambda *words: subprocess.run(  # noqa: E731
            [sys.executable, "-m", "cosmic_ray.cli", *words], cwd=copy, env=environment, check=True
        )
        run("init", "mutation.toml", "mutation.sqlite")
        with use_db(copy / "mutation.sqlite") as work:
            faults = [
                item
                for item in sorted(work.work_items, key=lambda item: str(item.mutations))
                if not in_annotation(copy / item.mutations[0].module_path, item.mutations[0].start_pos)
            ]
            chosen = random.Random(seed).sample(faults, min(sample, len(faults)))
            work.clear()
            work.add_work_items(chosen)
        run("exec", "mutation.toml", "mutation.sqlite")
        with use_db(copy / "mutation.sqlite") as work:
            survived = [name for name, result in work.results if result.is_killed is False]
            places = {item.job_id: item.mutations[0] for item in work.work_items}
            for name in survived:
                place = places[name]
                line = (copy / place.module_path).read_text(encoding="utf-8").splitlines()[place.start_pos[0] - 1]
                print(f"survived: {place.module_path}:{place.start_pos[0]} {place.operator_name}: {line.strip()}")
            done = len(list(work.results))
            print(f"{room}: {done - len(survived)} of {done} faults found (of {len(faults)} possible, seed {seed})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="+", choices=sorted(TESTS))
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for the tests of one fault")
    options = parser.parse_args()
    for room in options.rooms:
        measure(room, sample=options.sample, seed=options.seed, timeout=options.timeout)
