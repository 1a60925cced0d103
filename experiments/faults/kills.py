"""Commands killed at random moments, then finished: is the result the same, is anything left?

    python experiments/faults/kills.py profile --kills 200
    python experiments/faults/kills.py experiment --kills 100
    python experiments/faults/kills.py deployments --kills 40
    python experiments/faults/kills.py tools --kills 40

Signals are SIGKILL (five times in seven), SIGTERM and SIGINT, at a time that is uniform over what the
command takes. Each subject has a cache and a folder of temporary files of its own.

profile: a thorough profile is forked and ended, again and again in one folder until it is complete, then in
the next. Deployments are a server with made-up latencies; everything else is what `simkit profile` does.
Every file must equal that of a profile that was not killed, byte for byte but for how many points were there
already.

experiment: `simkit experiment run`, predicted and simulated, with one and two jobs, killed up to five times
in a folder, then run to its end. Every file must equal that of a run that was not killed, byte for byte.

deployments: `simkit benchmark` and `simkit profile` with `--target local`: Dynamo's frontend and mocker, as
`simkit tools` makes them, or SIMKIT_DYNAMO names them. Measured figures differ from run to run: files and
their keys must be those of a run that was not killed.

tools: `simkit tools --make` of a small package; every third beside another call, which must take over. What
counts as finished must run.

After the next run no process, note, lock or temporary file of any of them may be left; after SIGTERM and
SIGINT none at all.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "experiments")]

from faults.killing.deployments import deployments  # noqa: E402
from faults.killing.installations import installations  # noqa: E402
from faults.killing.profiles import profiles  # noqa: E402
from faults.killing.sweeps import sweeps  # noqa: E402

SUBJECTS: dict[str, tuple[Callable[[int, int], int], int]] = {
    "profile": (profiles, 200), "experiment": (sweeps, 100), "deployments": (deployments, 40),
    "tools": (installations, 40),
}  # fmt: skip


def main() -> None:
    """Kill and say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(SUBJECTS))
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    subject, most = SUBJECTS[options.what]
    wrong = subject(options.kills or most, options.seed)
    print(f"{wrong} went wrong")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
