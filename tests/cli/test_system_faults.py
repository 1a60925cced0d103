"""What the system refuses is one line and exit status 3: full disks, closed outputs, no memory; signals."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simkit.cli import main as command

ROOT = Path(__file__).resolve().parents[2]
SIMKIT = (sys.executable, "-m", "simkit")
ASKED = ("--model", "Qwen/Qwen3-8B", "--gpu", "h200_sxm", "--backend", "vllm", "--isl", "500", "--osl", "50")
ESTIMATE = ("estimate", *ASKED, "--worker", "tp1", "--concurrency", "4")


def run(*words, **how):
    return subprocess.run(
        [*SIMKIT, *words],
        cwd=ROOT,
        capture_output="stdout" not in how,
        text=True,
        check=False,
        timeout=60,
        **how,
    )


def one_line(text):
    assert text.startswith("simkit: "), text
    assert text.count("\n") == 1, text


@pytest.mark.parametrize("words", [("gpus",), ("gpus", "--format", "json"), ("--help",)])
def test_an_output_that_is_full_is_told(words):
    with Path("/dev/full").open("w") as full:
        done = run(*words, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr == (
        "simkit: standard output: No space left on device; make room on that disk, or write elsewhere\n"
    )


def test_an_output_that_is_closed_is_told():
    shell = f'"{sys.executable}" -m simkit gpus >&-'
    done = subprocess.run(["sh", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "standard output: Bad file descriptor; it is closed" in done.stderr
    one_line(done.stderr)


def test_files_are_written_though_no_output_is_open(tmp_path):
    """No file takes the place of a closed stream."""
    shell = f'"{sys.executable}" -m simkit {" ".join(ESTIMATE)} --dgd {tmp_path}/d.yaml'
    done = subprocess.run(["sh", "-c", f"{shell} <&- >&- 2>&-"], cwd=ROOT, check=False)
    assert done.returncode == 3  # the table could not be shown
    assert (tmp_path / "d.yaml").read_text().startswith(("apiVersion", "---", "kind"))


def test_where_errors_cannot_be_told_the_status_says_it():
    with Path("/dev/full").open("w") as full:
        assert run("nonsense", stdout=full, stderr=full).returncode == 2


def test_a_reader_that_has_seen_enough_is_no_error():
    shell = f'"{sys.executable}" -m simkit models | head -1; echo "${{PIPESTATUS[0]}}" >&2'
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == "0\n"


def test_a_file_that_grows_too_large_leaves_no_folder(tmp_path):
    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    asked = (*ASKED, "--total-gpus", "1", "--concurrency", "4", "--quiet")
    words = ("recommend", *asked, "-o", str(tmp_path / "out"))
    done = run(*words, preexec_fn=small)
    assert done.returncode == 3
    assert done.stderr == (
        f"simkit: {tmp_path}/out: cannot be written (File too large); "
        "make room, or give another folder with -o\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [None, "--format=json"])
@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (MemoryError(), 3, "not enough memory"),
        (RecursionError("maximum"), 2, "nested too deeply"),
        (OSError(28, "No space left on device", "/x/y"), 3, "/x/y: No space left on device; make room"),
        (
            OSError(30, "Read-only file system", "/x\x1b[31m"),
            3,
            "/x\\x1b[31m: Read-only file system; that disk",
        ),
        (PermissionError(13, "Permission denied", "/x"), 3, "/x: Permission denied; its rights forbid it"),
        (OSError("odd\nwords"), 3, "odd words; mend that and try again"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_whatever_the_system_raises_is_one_line(simkit, monkeypatch, error, status, told, text):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(command, "app", fails)
    done = simkit(*filter(None, ("gpus", text)))
    assert done.status == status
    assert told in done.err
    if told:
        one_line(done.err)
        assert ('"exit_code": ' in done.out) == bool(text)


def _interruptible():
    """A job in the background ignores Ctrl-C, and its children do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_with_its_own_status(number, status):
    words = ("simulate", *ASKED, "--worker", "tp1", "--concurrency", "64", "--requests", "2000000", "--quiet")
    child = subprocess.Popen(
        [*SIMKIT, *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_interruptible,  # noqa: PLW1509
    )
    handled = f"/proc/{child.pid}/status"
    for _ in range(400):  # until the command has said what it does with signals
        caught = next(line for line in Path(handled).read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            break
        time.sleep(0.05)
    time.sleep(0.3)
    child.send_signal(number)
    _, told = child.communicate(timeout=60)
    assert child.returncode == status
    assert told == "simkit: interrupted; no file was left half written\n"
