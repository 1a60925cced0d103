"""Every package of the environments of AIPerf and Dynamo, with hashes: data/tools/aiperf.txt and dynamo.txt.

    pip install uv && python experiments/tools/lock.py [--check]

Needs a package index. The lists hold for every system and for Python 3.11 and later. --check resolves anew
and says which packages would move, without writing.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "3.11"
# ai-dynamo with its own dependencies does not install from the public index: one of them is a placeholder
# there. Frontend and mocker do without it, so ai-dynamo stands alone and what they use is named here.
RUNTIME = "1.6.1"
DYNAMO = (
    f"ai-dynamo-runtime=={RUNTIME}", "aiohttp", "certifi", "kubernetes>=32.0.1,<33", "msgspec",
    "prometheus-client", "pyzmq", "redis<9", "tqdm", "transformers>=4.56.0", "zstandard", "uvloop",
)  # fmt: skip
LISTS = {
    "aiperf": ((("aiperf>=0.13,<0.14",), True),),
    "dynamo": ((DYNAMO, True), ((f"ai-dynamo=={RUNTIME}",), False)),
}


def resolved(wanted: tuple[str, ...], with_dependencies: bool) -> str:
    """Packages and hashes, by uv."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "wanted.in", Path(folder) / "locked.txt"
        source.write_text("\n".join(wanted) + "\n")
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate"]
        command += ["--no-header", "--python-version", PYTHON, str(source), "-o", str(target)]
        subprocess.run([*command, *([] if with_dependencies else ["--no-deps"])], check=True)
        return target.read_text()


def pins(text: str) -> set[str]:
    """Names and versions of a list."""
    return {line.split(" ")[0] for line in text.splitlines() if "==" in line}


def main() -> None:
    """Write the lists, or say what would change."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    moved = False
    for name, parts in LISTS.items():
        text = "".join(resolved(wanted, whole) for wanted, whole in parts)
        path = ROOT / "data" / "tools" / f"{name}.txt"
        before = pins(path.read_text()) if path.exists() else set()
        for pin in sorted(before ^ pins(text)):
            moved = True
            print(f"{name}: {'-' if pin in before else '+'} {pin}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    sys.exit(int(check and moved))


if __name__ == "__main__":
    main()
