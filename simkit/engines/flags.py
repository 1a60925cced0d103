"""A command line's flags as they were given, and what an engine's flag of each setting is called."""

import math
import re
from dataclasses import dataclass

from simkit.core.errors import InputError

Names = tuple[str, ...]

_SCALED = re.compile(r"^(\d+(?:\.\d+)?)([kKmMgG]?)$")
# Lower case is decimal, upper case is binary.
_SCALES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
_FALSE = ("false", "0", "no")
_MOST = 10**9  # no count of an engine is larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """A command line's flags in order, each with the values that follow it.

    spare are words that belong to no flag, where the program's parser says so; asked the flags that it has.
    """

    items: tuple[tuple[str, tuple[str, ...]], ...]
    spare: tuple[str, ...] = ()
    asked: frozenset[str] = frozenset()

    def has(self, names: Names) -> bool:
        """Whether any of the names is given."""
        return any(flag in names for flag, _ in self.items)

    def text(self, names: Names) -> str | None:
        """The value given last under any of the names, as argparse takes it."""
        for flag, values in reversed(self.items):
            if flag in names and values:
                return values[0]
        return None

    def integer(self, names: Names, most: int = _MOST) -> int | None:
        """The value as a whole number; 8k is 8,000 and 8K is 8,192."""
        text = self.text(names)
        if text is None or text in ("None", "null", "auto"):
            return None
        match = _SCALED.match(text)
        value = float(match.group(1)) * _SCALES[match.group(2)] if match else math.inf
        if value > most:
            shown = text if len(text) <= 40 else text[:40] + "..."
            raise InputError(f"flag {names[0]}: expected a positive whole number, got {shown!r}; correct it")
        return int(value)

    def size(self, names: Names) -> int:
        """The value as the size of a group; 1 when it is not given."""
        value = self.integer(names)
        if value is None:
            return 1
        if value < 1:
            raise InputError(f"flag {names[0]}: must be at least 1, got {value}; correct it")
        return value

    def number(self, names: Names) -> float | None:
        """The value as a number."""
        text = self.text(names)
        try:
            return None if text is None else float(text)
        except ValueError as error:
            raise InputError(f"flag {names[0]}: expected a number, got {text!r}; correct it") from error

    def switch(self, on: Names, off: Names = ()) -> bool | None:
        """On, off, or None when neither is given; an explicit `false` turns an `on` flag off."""
        for flag, values in reversed(self.items):
            if flag in off:
                return False
            if flag in on:
                return not (values and values[0].lower() in _FALSE)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagTable:
    """What an engine's flags are called. In each tuple the first name is written, all of them are read."""

    model: Names
    tp: Names
    pp: Names
    dp: Names
    ep: Names
    max_num_seqs: Names
    token_budget: Names
    memory_frac: Names
    max_model_len: Names
    block_tokens: Names
    kv_dtype: Names
    quantization: Names = ()
    served_name: Names = ("--served-model-name",)
    role: Names = ("--disaggregation-mode",)
    prefix_on: Names = ()
    prefix_off: Names = ()
    mixed: Names = ()  # prefill chunks share steps with decodes; no name: they always do
    whole_budget: Names = ()  # the budget where prompts are not cut into chunks
    shared_attention: Names = ()  # ranks share one group; limits are then written for all ranks together
    eager: Names = ()  # no CUDA graphs
    graphs: Names = ()  # how CUDA graphs are made; null or disabled: none
    speculative: Names = ()
    poll: Names = ()  # decode steps between two looks at the inbox of new requests
    hold: Names = ()  # decode steps for which prompts are held back to be batched
    cache_tokens: Names = ()  # the size of a rank's cache
    cache_blocks: Names = ()
    cache_bytes: Names = ()
    legacy_roles: tuple[tuple[str, str], ...] = ()  # switches that said the role in earlier versions
    elastic: Names = ()  # the engine starts on some of its GPUs and takes the others later
    neutral: Names = ()  # flags that do not change what is predicted

    @property
    def known(self) -> frozenset[str]:
        """Every flag that is read or known not to matter."""
        names: set[str] = set()
        for field in self.__dataclass_fields__:
            value = getattr(self, field)
            if isinstance(value, tuple):
                names.update(item if isinstance(item, str) else item[0] for item in value)
        return frozenset(names)


# Names that the engines have in common.
TP = ("--tensor-parallel-size", "--tp-size", "--tp", "-tp")
PP = ("--pipeline-parallel-size", "--pp-size", "--pp", "-pp")
DP = ("--data-parallel-size", "--dp-size", "--dp", "-dp")
EP = ("--expert-parallel-size", "--ep-size", "--ep")
NEUTRAL = ("--trust-remote-code", "--host", "--port", "--kv-events-config")
