"""What CONTRIBUTING.md says one adds from outside the package, added from outside the package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROGRAMS = dict(
    re.findall(r"## Add an? ([\w ]+)\n.*?```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
)


def test_there_is_a_program_for_each_registry():
    assert list(PROGRAMS) == ["quantizer", "pose format", "transcript format", "metric", "text encoder"]


@pytest.mark.parametrize("what", PROGRAMS)
def test_it_is_added_from_outside(what, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAMS[what], encoding="utf-8")
    command = [sys.executable, "-W", "error::UserWarning", "program.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".pre-commit-config.yaml"])
def test_machines_can_read_their_part(path):
    settings = yaml.safe_load((ROOT / path).read_text("utf-8"))
    if path.startswith(".github"):
        assert settings["jobs"]["checks"]["steps"][-1] == {"run": ".ci/run"}
    else:
        assert [hook["id"] for hook in settings["repos"][0]["hooks"]] == ["ruff-check", "ruff-format"]
