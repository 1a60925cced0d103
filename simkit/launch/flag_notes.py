"""What to tell of a command's flags: those that nothing models, given twice, or left over."""

from collections import Counter
from collections.abc import Iterable, Iterator

from simkit.engines.registry import engine_spec
from simkit.launch.arguments import Arguments
from simkit.launch.server_flags import not_modelled

_LONGEST_NAME = 60
_MOST_NAMES = 40


def flag_notes(arguments: Arguments) -> Iterator[str]:
    """One line for each kind of flag that is not applied."""
    table = engine_spec(arguments.backend).flags
    passed = [
        name
        for name, values in arguments.flags.items
        if name not in table.known
        and not name.startswith("--speculative")
        and not_modelled(name, values, own=name in arguments.own)
    ]
    if passed:
        yield f"flags not modelled: {names_in_words(passed)}"
    settings = (
        *(*table.tp, *table.pp, *table.ep, *table.max_num_seqs),
        *(*table.token_budget, *table.whole_budget, *table.memory_frac),
    )
    counts = Counter(name for name, _ in arguments.flags.items if name in settings)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        yield f"given more than once, the last counts: {names_in_words(twice)}"
    if arguments.left:
        yield f"words that belong to no flag, not read: {names_in_words(arguments.left)}"


def names_in_words(names: Iterable[str]) -> str:
    """Names in one line, none of them long, control characters shown."""
    unique = list(dict.fromkeys(names))
    shown = [_short(name) for name in unique[:_MOST_NAMES]]
    more = len(unique) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _short(name: str) -> str:
    text = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."
    return text if text.isprintable() else repr(text)
