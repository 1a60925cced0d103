"""deploy/Dockerfile: what it installs is what the profiler loads, and it runs as nobody in particular."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from .conftest import environment, spec

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
MODULES = {
    "numpy": "numpy",
    "pydantic": "pydantic",
    "PyYAML": "yaml",
    "jsonschema": "jsonschema",
    "kubernetes-validate": "kubernetes_validate",
    "threadpoolctl": "threadpoolctl",
}
LEFT_OUT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"{name} is not in the image")
sys.meta_path.insert(0, Refuse())
from simkit.profiler.__main__ import main
sys.exit(main())
"""


def installed():
    return set(re.findall(r'"([A-Za-z-]+)>=', DOCKERFILE))


def test_the_profiler_runs_on_what_the_image_installs(tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (*project["dependencies"], *project["optional-dependencies"]["validate"])
    declared = {re.split(r"[<>=\[ ]", line)[0] for line in lines}
    assert installed() == set(MODULES)
    assert installed() <= declared
    absent = {name.lower().replace("-", "_") for name in declared - installed()} | {"scipy", "sklearn"}
    words = ["--config", json.dumps(spec(features={"planner": {}})), "--output-dir", str(tmp_path)]
    command = [sys.executable, "-c", LEFT_OUT % absent, *words]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_image_is_pinned_unprivileged_and_complete():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert re.search(r"^USER 1000:1000$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["python", "-m", "simkit.profiler"]' in DOCKERFILE
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored
