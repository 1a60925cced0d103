"""`simkit tools --make`: a small tool from a wheel made here, with its own list of packages and hashes."""

import base64
import hashlib
import os
import random
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

from faults.killing.places import Place, command, ended, moment, place, whole

from simkit.io.paths import data_dir
from simkit.io.tools import AIPERF, find_tool

WORDS = ("tools", "--make", "aiperf", "--quiet")
_FILES = {
    "aiperf.py": "def main():\n    print('aiperf 1.0')\n",
    "aiperf-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: aiperf\nVersion: 1.0\n",
    "aiperf-1.0.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
    "aiperf-1.0.dist-info/entry_points.txt": "[console_scripts]\naiperf = aiperf:main\n",
}
_RECORD = "aiperf-1.0.dist-info/RECORD"


def _wheel(folder: Path) -> str:
    """Write it; its hash."""
    folder.mkdir()
    path = folder / "aiperf-1.0-py3-none-any.whl"
    lines = []
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in _FILES.items():
            packed.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(text)}")
        packed.writestr(_RECORD, "\n".join([*lines, f"{_RECORD},,"]) + "\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _data(folder: Path, digest: str) -> None:
    """The data folder with another list of packages."""
    folder.mkdir()
    for path in data_dir().iterdir():
        if path.name != "tools":
            (folder / path.name).symlink_to(path)
    shutil.copytree(data_dir() / "tools", folder / "tools")
    (folder / "tools" / "aiperf.txt").write_text(f"aiperf==1.0 --hash=sha256:{digest}\n")


def installations(kills: int, seed: int) -> int:
    """Kill installations, every third beside another; the number after which something was wrong."""
    wrong, rng = 0, random.Random(seed)  # noqa: S311 - of when to kill
    with place(PIP_NO_INDEX="1", PATH=os.defpath) as empty:
        _data(empty.root / "data", _wheel(empty.root / "wheels"))
        known = {"SIMKIT_DATA": str(empty.root / "data"), "PIP_FIND_LINKS": str(empty.root / "wheels")}
        where = Place(root=empty.root, env={**empty.env, **known})
        os.environ["SIMKIT_DATA"] = where.env["SIMKIT_DATA"]
        lasts = whole(where, WORDS)
        print(f"{lasts:.1f} s unkilled; left: {where.left(where.cache / 'envs') or 'nothing'}", flush=True)
        for number in range(1, kills + 1):
            shutil.rmtree(where.cache)
            said = _beside(where, rng, lasts) if number % 3 == 0 else _alone(where, rng, lasts)
            said += _unfinished(where)
            wrong += bool(said)
            print(f"kill {number}: {'; '.join(said) or 'good'}", flush=True)
    return wrong


def _counts(where: Place) -> str:
    """Whether an environment counts as finished, and what is wrong with it if so."""
    program = find_tool(AIPERF, None, where.env)
    if program is None:
        return ""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (
        "" if done.stdout == "aiperf 1.0\n" else f"COUNTS, but answers {done.returncode} {done.stderr[-200:]}"
    )


def _unfinished(where: Place) -> list[str]:
    """What is left once all have ended, of which the finished environment is none."""
    envs = {path.name for path in (where.cache / "envs").iterdir()}
    program = find_tool(AIPERF, None, where.env)
    if program is None or envs != {program.parents[1].name}:
        return [f"in envs: {sorted(envs)}, found: {program}"]
    found = [str(path) for path in (where.cache / "running").glob("*")]
    found += [str(path) for path in (where.root / "tmp").iterdir()]
    found += [f"process {pid}" for pid in where.processes()]
    return [f"LEFT {item}" for item in found]


def _alone(where: Place, rng: random.Random, lasts: float) -> list[str]:
    """One is killed, the next goes on."""
    found = ended(command(where, WORDS), *moment(rng, lasts))
    name = found.number.name if found.number else "none"
    print(
        f"  {name} after {found.after_s:.2f} s, finished: {bool(find_tool(AIPERF, None, where.env))}",
        flush=True,
    )
    said = [text for text in (found.odd, _counts(where)) if text]
    if name in ("SIGTERM", "SIGINT"):
        said += [f"LEFT after {name}: process {pid}" for pid in where.processes()]
    whole(where, WORDS)
    return said + [text for text in (_counts(where),) if text]


def _beside(where: Place, rng: random.Random, lasts: float) -> list[str]:
    """Two at once, of which the first is killed; the other takes over."""
    first = command(where, WORDS)
    time.sleep(rng.uniform(0.0, 1.0))
    second = command(where, WORDS)
    found = ended(first, *moment(rng, lasts))
    said = [text for text in (found.odd, _counts(where)) if text]
    _, told = second.communicate(timeout=120)
    name = found.number.name if found.number else "none"
    print(
        f"  two at once: {name} after {found.after_s:.2f} s, the other ended with {second.returncode}",
        flush=True,
    )
    if second.returncode:
        said.append(f"THE OTHER FAILED: {told[-300:]}")
    return said + [text for text in (_counts(where),) if text]
