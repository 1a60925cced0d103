"""Share of public deployment files and launch commands that are read and refused, for docs/import.md.

The inputs are other people's and stay where they are: give git repositories (work trees or bare).

    git clone --bare https://github.com/ai-dynamo/dynamo
    git clone --bare https://github.com/vllm-project/recipes
    python experiments/reading/survey.py dynamo.git recipes.git --write docs/import.md --list read.txt

--list writes what was read of each input, one below the other, to be checked by hand against the input.
"""

import argparse
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simkit.core.deployment import Deployment
from simkit.core.errors import SimkitError
from simkit.formats.dgd.read import catalogue_hint, parse_dgd
from simkit.formats.engine_command.read import parse_command
from simkit.io.yamlio import parse_documents
from simkit.launch.arguments import unfilled

DGD = re.compile(r"(?m)^kind: *DynamoGraphDeployment *$")
START = re.compile(
    r"vllm serve|sglang serve|sglang\.launch_server|trtllm-serve|vllm\.entrypoints|"
    r"dynamo\.(vllm|sglang|trtllm)\b"
)
BLOCK = re.compile(r"```(?:bash|shell|sh|console)[^\n]*\n(.*?)```", re.DOTALL)
BEGIN, END = "<!-- survey -->", "<!-- end of survey -->"
# What a refusal says of the input, not of the reader: the first pattern found decides.
REASONS = (
    ("model outside the catalogue", r"unknown model|expected a model folder|cannot be looked up"),
    ("a settings file that is not in the text", r"settings file .* is not here|settings in"),
    (
        "a value that is not in the text",
        r"shell variable without a value|a placeholder|got '[<$]|no model is named",
    ),
    (
        "no engine in it: patches, frontends, other programs",
        r"no engine is started|no worker among|starts none of",
    ),
    (
        "not one deployment",
        r"different models|mix aggregated|pool without|both (aggreg|prefill|dec)|one worker|expected one",
    ),
    ("not modelled", r"not modelled|expected prefill, decode or agg|context parallel"),
    ("not shell or YAML", r"not shell text|not valid YAML|typographic|is not valid"),
    (
        "sizes that contradict each other",
        r"do not divide|flags split|cannot run|make them agree|need \d+ GPUs",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One public text: DGD, script or shell block, where it stands, and itself."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One input: its kind, what became of it, and in words."""

    kind: str
    name: str
    found: str
    words: str


def files(repository: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of the files that may hold an input."""
    base = ["git", "-C", str(repository)]
    names = subprocess.run(
        [*base, "ls-tree", "-r", "HEAD", "--name-only"], capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        if name.endswith((".yaml", ".yml", ".md", ".sh")):
            shown = subprocess.run([*base, "show", f"HEAD:{name}"], capture_output=True, check=True)
            yield name, shown.stdout.decode("utf-8", "replace")


def inputs(repository: Path) -> Iterator[Input]:
    """Every input of a repository, the same text once."""
    seen: set[str] = set()
    for name, text in files(repository):
        if name.endswith((".yaml", ".yml")):
            if DGD.search(text) and text not in seen:
                seen.add(text)
                yield Input(kind="DGD", name=name, text=text)
            continue
        blocks = [text] if name.endswith(".sh") else [match[1] for match in BLOCK.finditer(text)]
        kind = "script" if name.endswith(".sh") else "shell block"
        for block in blocks:
            if START.search(block) and block not in seen:
                seen.add(block)
                yield Input(kind=kind, name=name, text=block)


def outcome(item: Input) -> Outcome:
    """What became of an input."""
    kind, name, text = item.kind, item.name, item.text
    try:
        if kind == "DGD":
            read = parse_dgd(parse_documents(text, name), source=name, hint_of=catalogue_hint)
            if missing := unfilled(read.model):
                found = "a value that is not in the text"
                return Outcome(kind=kind, name=name, found=found, words=f"{read.model}: {missing}")
            if not catalogue_hint(read.model).known:
                return Outcome(kind=kind, name=name, found="model outside the catalogue", words=read.model)
            deployment, notes = read.deployment, read.notes
        else:
            command = parse_command(text)
            deployment, notes = command.deployment, command.notes
    except SimkitError as error:
        message = str(error)
        reason = next((reason for reason, sign in REASONS if re.search(sign, message)), "other")
        return Outcome(kind=kind, name=name, found=reason, words=message)
    named = any("not modelled" in note or "cannot be seen" in note for note in notes)
    words = f"{_words(deployment)} | {' | '.join(notes)}"
    return Outcome(kind=kind, name=name, found="read, the rest named" if named else "read", words=words)


def _words(deployment: Deployment) -> str:
    pools = " + ".join(
        f"{pool.replicas}x{pool.plan.label} seqs {pool.engine.max_num_seqs} "
        f"tokens {pool.engine.max_num_batched_tokens} memory {pool.engine.memory_frac} "
        f"longest {pool.engine.max_model_len}"
        for pool in deployment.pools
    )
    formats = deployment.precision
    return f"{deployment.backend} {pools}, {formats.gemm}/{formats.moe}, cache {formats.kv}"


def table(found: list[Outcome]) -> str:
    """Counts by kind, most frequent first."""
    kinds = [kind for kind in ("DGD", "script", "shell block") if any(item.kind == kind for item in found)]
    counts = Counter((item.found, item.kind) for item in found)
    rows = sorted({item.found for item in found}, key=lambda name: -sum(counts[name, kind] for kind in kinds))
    lines = ["| outcome | " + " | ".join(kinds) + " |", "|---|" + "---:|" * len(kinds)]
    lines += [f"| {name} | " + " | ".join(str(counts[name, kind]) for kind in kinds) + " |" for name in rows]
    totals = [str(sum(item.kind == kind for item in found)) for kind in kinds]
    return "\n".join([*lines, "| all | " + " | ".join(totals) + " |"])


def main() -> None:
    """Survey the repositories given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--list", type=Path)
    given = parser.parse_args()
    found = [outcome(item) for repository in given.repositories for item in inputs(repository)]
    print(table(found))
    if given.list:
        given.list.write_text(
            "\n".join(f"{item.kind} {item.name}: {item.found}\n    {item.words}" for item in found)
        )
    if given.write:
        text = given.write.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        given.write.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
