"""Laws are tried on the small clusters of the simulator's own tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.extend([str(HERE), str(HERE.parent / "sim")])  # cases, sim_engines
