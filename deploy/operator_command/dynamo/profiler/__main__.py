"""`python -m dynamo.profiler`, the fixed command of Dynamo's profiling Job, inside simkit's image only."""

import sys

from simkit.profiler.__main__ import main

sys.exit(main())
