"""What to tell people of an imported command: what was passed over, assumed or read otherwise."""

from collections import Counter
from collections.abc import Iterable, Iterator

from simkit.adapters.engine_flags import TABLES
from simkit.adapters.engine_parse import WorkerSettings
from simkit.adapters.flag_reader import Flags
from simkit.adapters.serve_arguments import Arguments
from simkit.adapters.serve_flags import not_modelled
from simkit.adapters.serve_starts import EngineStart

_CHUNKS_ON = ("--enable-chunked-prefill", "--trtllm.enable_chunked_prefill")
_CHUNKS_OFF = ("--no-enable-chunked-prefill",)
_LONGEST_NAME = 60
_MOST_NAMES = 40


def notes_on(
    start: EngineStart, arguments: Arguments, settings: WorkerSettings, apart: int
) -> tuple[str, ...]:
    """One line each: prefix, environment, flags not modelled, words left, defaults taken."""
    return (*_around(start), *_flags(arguments), *_reading(arguments, settings, apart))


def _around(start: EngineStart) -> Iterator[str]:
    if start.prefix:
        yield f"passed over in front of {start.label}: {_names(start.prefix)}"
    if start.environment:  # names only: values may be secrets
        yield f"environment variables not modelled: {_names(start.environment)}"


def _flags(arguments: Arguments) -> Iterator[str]:
    table = TABLES[arguments.backend]
    passed = [
        name
        for name, values in arguments.flags.items
        if name not in table.known and not name.startswith("--speculative") and not_modelled(name, values)
    ]
    if passed:
        yield f"flags not modelled: {_names(passed)}"
    settings = (*table.tp, *table.pp, *table.ep, *table.max_num_seqs, *table.token_budget, *table.memory_frac)
    counts = Counter(name for name, _ in arguments.flags.items if name in settings)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        yield f"given more than once, the last counts: {_names(twice)}"
    if arguments.left:
        yield f"words that belong to no flag, not read: {_names(arguments.left)}"


def _reading(arguments: Arguments, settings: WorkerSettings, apart: int) -> Iterator[str]:
    flags, engine = arguments.flags, settings.engine
    if apart > 1:
        yield f"data parallelism over {apart} ranks that share nothing: read as {apart} engines"
    if flags.switch(_CHUNKS_ON, _CHUNKS_OFF) is (None if engine.backend == "trtllm" else False):
        yield (
            "chunked prefill is off: the engine refuses prompts above "
            f"{engine.max_num_batched_tokens:,} tokens; predicted, and written to a DGD, with it on"
        )
    assumed = ", ".join(_assumed(arguments.backend, flags, settings))
    if assumed:
        yield f"not given, the engine's usual values are taken: {assumed}"


def _assumed(backend: str, flags: Flags, settings: WorkerSettings) -> Iterator[str]:
    table, engine = TABLES[backend], settings.engine
    if not flags.has(table.max_num_seqs):
        yield f"{table.max_num_seqs[0]} {engine.max_num_seqs}"
    if not flags.has(table.token_budget):
        yield f"{table.token_budget[0]} {engine.max_num_batched_tokens}"
    if engine.memory_frac is not None and not flags.has(table.memory_frac):
        yield f"{table.memory_frac[0].removeprefix('--trtllm.')} {engine.memory_frac:g}"


def _names(names: Iterable[str]) -> str:
    """Names in one line, none of them long, control characters shown."""
    unique = list(dict.fromkeys(names))
    shown = [_short(name) for name in unique[:_MOST_NAMES]]
    more = len(unique) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _short(name: str) -> str:
    text = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."
    return text if text.isprintable() else repr(text)
