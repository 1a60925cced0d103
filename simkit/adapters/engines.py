"""Engines' command lines: a pool as worker arguments, worker arguments as a pool.

A new engine is one FlagTable (engine_flags), how it counts GPUs (engine_plans) and one golden.
"""

from simkit.adapters.engine_args import WorkerContext, worker_args
from simkit.adapters.engine_flags import TABLES, FlagTable
from simkit.adapters.engine_parse import WorkerSettings, parse_worker_args, role_named
from simkit.adapters.flag_reader import command_tokens

__all__ = [
    "TABLES",
    "FlagTable",
    "WorkerContext",
    "WorkerSettings",
    "command_tokens",
    "parse_worker_args",
    "role_named",
    "worker_args",
]
