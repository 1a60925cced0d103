"""AIPerf as a process: bounded in time, tried again a bounded number of times, its files kept."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simkit.core.errors import ExternalError, InputError
from simkit.io.processes import Child, Launch, log_tail
from simkit.io.tokenizer import folder_files, tokenizer_files, write_hub_cache

EXPORT = "profile_export_aiperf.json"
OWN_TOKENIZER = "builtin"  # our own, which needs no network; the name must be no path and no model


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one run of AIPerf may take, and how often it is tried."""

    timeout_s: float = 3600.0
    attempts: int = 2

    def __post_init__(self) -> None:
        if self.timeout_s <= 0 or self.attempts < 1:
            raise InputError(
                "benchmark: time-out and attempts must be positive, "
                f"got {self.timeout_s:g} s and {self.attempts}"
            )


@contextmanager
def offline_tokenizer(name: str | None) -> Iterator[tuple[str | None, dict[str, str]]]:
    """What to call the tokenizer, and the environment that makes AIPerf find it without the network.

    A folder, or our own, is laid out as a cache that lives as long as the context; anything else is a
    Hugging Face id and left to AIPerf.
    """
    folder = Path(name) if name else None
    if name != OWN_TOKENIZER and not (folder and folder.is_dir()):
        yield name, {}
        return
    files = tokenizer_files(131_072) if name == OWN_TOKENIZER or folder is None else folder_files(folder)
    if "tokenizer_config.json" not in files:
        raise InputError(f"tokenizer {name}: no tokenizer_config.json in that folder; give a tokenizer's")
    home = Path(tempfile.mkdtemp(prefix="simkit-hf-"))
    try:
        # AIPerf reads the model type of a tokenizer from a config.json beside it, where there is one.
        named = write_hub_cache(home, "tokenizer", files)
        yield named, {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_aiperf(
    command: Sequence[str], *, artifacts: Path, env: Mapping[str, str], registry: Path, patience: Patience
) -> Path:
    """Run `aiperf profile` and give the folder of its results, which a failed attempt leaves empty.

    command's first word is the program. Raises ExternalError with its last words when every attempt fails.
    """
    reason = ""
    log = artifacts.with_name(f"{artifacts.name}.log")
    _refuse_foreign(artifacts, log)
    for attempt in range(1, patience.attempts + 1):
        shutil.rmtree(artifacts, ignore_errors=True)
        log.unlink(missing_ok=True)
        reason = _attempt(Launch(command=command, log=log, env=env), registry, patience.timeout_s)
        if not reason and any(artifacts.rglob(EXPORT)):
            return artifacts
        reason = f"{reason or 'it wrote no result'} (attempt {attempt} of {patience.attempts})"
    raise ExternalError(f"aiperf: {reason}: {_complaint(log) or 'no output'}; its log is {log}")


def _refuse_foreign(artifacts: Path, log: Path) -> None:
    """Raise InputError where the folder to be emptied holds what no run of ours put there: it has no log."""
    if log.exists() or not artifacts.exists():
        return
    if not artifacts.is_dir() or any(artifacts.iterdir()):
        raise InputError(f"{artifacts}: is there and not from an earlier run; move it, or give another -o")


_AUTHORIZED = """
import os, runpy, sys
sys.argv = [*sys.argv[1:], "--header", "Authorization:" + os.environ.pop("SIMKIT_AUTHORIZATION")]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def with_secret(
    command: Sequence[str], env: Mapping[str, str], secret: str
) -> tuple[list[str], dict[str, str]]:
    """The same command, which sends an Authorization header that no list of processes shows.

    AIPerf takes it as a flag alone, so its own Python adds the flag once it runs. Raises InputError where
    the program is no Python script.
    """
    program = Path(command[0])
    try:
        with program.open("rb") as opened:
            first = opened.readline(4096).decode("utf-8", errors="replace").strip()
    except OSError as error:
        raise ExternalError(
            f"{program}: cannot be read ({error.strerror}); name AIPerf by --aiperf"
        ) from error
    interpreter = first.removeprefix("#!").split()
    if not first.startswith("#!") or "python" not in interpreter[-1]:
        raise InputError(
            f"{program}: is no Python script, so a key could only be given to it on a command line, which "
            "everybody on this machine can read; use --client builtin, or AIPerf's own script"
        )
    return [*interpreter, "-c", _AUTHORIZED, *command], {**env, "SIMKIT_AUTHORIZATION": secret}


def _attempt(launch: Launch, registry: Path, timeout_s: float) -> str:
    """Why it failed; empty when it did not."""
    with Child(launch, registry) as child:
        try:
            status = child.wait(timeout_s)
        except TimeoutError as error:
            return str(error)
    return f"it ended with status {status}" if status else ""


def _complaint(log: Path) -> str:
    """The lines of AIPerf's log that name an error, else its last ones."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    wrong = [line.strip() for line in text.splitlines() if "ERROR" in line or "Error" in line]
    return " | ".join(wrong[-2:])[-500:] or log_tail(log, 3)
