"""An engine's own argument parser as a table: which words are flags, and how many words belong to each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from simkit.core.errors import InputError

Takes = Literal["none", "boolean", "one", "optional", "many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. names: the first is its own, the others stand for it. takes: boolean has a --no- form.

    kind is the type of its value, env the variable that it is taken from where it is not given.
    """

    names: tuple[str, ...]
    takes: Takes
    kind: str = "text"
    default: str | float | bool | None = None
    env: str | None = None


@dataclass(frozen=True, kw_only=True)
class CommandParser:
    """The options of one program. prefixes: a beginning that only one option has stands for it."""

    program: str
    version: str = ""
    options: tuple[Option, ...] = ()
    prefixes: bool = False
    behind: "CommandParser | None" = field(default=None)  # reads what this one does not know

    @cached_property
    def by_name(self) -> dict[str, tuple[str, Option]]:
        """Every way to write an option in full: what it is called then, and the option."""
        found: dict[str, tuple[str, Option]] = {}
        for option in self.options:
            own = option.names[0]
            for name in option.names:
                found.setdefault(name, (own, option))
                if option.takes == "boolean" and name.startswith("--"):
                    found.setdefault(f"--no-{name[2:]}", (f"--no-{own[2:]}", option))
        return found

    def option(self, name: str, known: Collection[str] = ()) -> tuple[str, Option | None]:
        """The option that a flag stands for and what it is called in full; None: none of this parser.

        known: flags of other versions that are read as they stand. Raises InputError where a beginning
        may mean several options.
        """
        if name in self.by_name:
            return self.by_name[name]
        if self.behind is not None:
            return self.behind.option(name, known)
        if name in known or not self.prefixes or not name.startswith("--") or len(name) < 4:
            return name, None
        meant = {full: found for full, found in self.by_name.items() if full.startswith(name)}
        options = {id(option): (own, option) for own, option in meant.values()}
        if len(options) == 1:
            return next(iter(options.values()))
        # In argparse itself this is an error; where none of them matters it is only an unknown flag here.
        if options and any(full in known for full in meant):
            shown = ", ".join(sorted(meant)[:4])
            raise InputError(f"flag {name}: may mean {shown}; write the one that is meant in full")
        return name, None

    def environment(self, names: Sequence[str]) -> list[Option]:
        """The options that these variables set."""
        own = [option for option in self.options if option.env in names]
        return own + (self.behind.environment(names) if self.behind else [])
