"""What the machine is and how it was clocked: written beside the table."""

import contextlib
import json
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu,clocks_event_reasons.active"
FACTS = "name,driver_version,vbios_version,memory.total,power.limit,compute_mode,mig.mode.current"


def nvidia_smi(*arguments: str) -> str:
    """Its output, or why there is none; reads only."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi: {error}"
    return (done.stdout or done.stderr).strip()


def clocks() -> str:
    """The clocks, power and temperature of this moment, as nvidia-smi gives them."""
    return nvidia_smi(f"--query-gpu={CLOCKS}", "--format=csv,noheader")


@contextlib.contextmanager
def sampled_clocks(path: Path) -> Iterator[None]:
    """Write the clocks under load once a second for as long as the context lasts, where that is possible."""
    command = ["nvidia-smi", f"--query-gpu=timestamp,{CLOCKS}", "--format=csv", "-lms", "1000"]
    with path.open("a", encoding="utf-8") as file:
        try:
            sampler = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        except OSError as error:
            file.write(f"nvidia-smi: {error}\n")
            yield
            return
        try:
            yield
        finally:
            sampler.terminate()
            sampler.wait(timeout=20)


def facts(device: str) -> dict[str, Any]:
    """Versions and properties that explain the numbers."""
    found: dict[str, Any] = {
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": device,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }
    try:
        import triton

        found["triton"] = triton.__version__
    except ImportError:
        found["triton"] = None
    if device == "cuda":
        found["cudnn"] = torch.backends.cudnn.version()
        found["properties"] = str(torch.cuda.get_device_properties(0))
        found["nvidia_smi"] = nvidia_smi(f"--query-gpu={FACTS}", "--format=csv")
        found["nvidia_smi_full"] = nvidia_smi("-q", "-d", "CLOCK,POWER,PERFORMANCE")
    return found


def save(path: Path, content: dict[str, Any]) -> None:
    """Write the facts whole or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
