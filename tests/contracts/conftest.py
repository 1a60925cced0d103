"""The deployments of the contract and the routes that answer for them lie in this folder, for these tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
