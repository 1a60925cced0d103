"""A shell script as the simple commands that it would run, read with bash's grammar; nothing is run.

Variables are those that the text assigns or that are handed in. A branch is taken where its test can be
decided; where it cannot, what it assigns is not known afterwards.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simkit.core.errors import InputError
from simkit.launch.shell_branches import Branch, branches, cases
from simkit.launch.shell_files import heredoc_files
from simkit.launch.shell_words import Expander, Value, hidden, text_of

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_CHARS = 65_536  # a long launch script; more is a mistake
_MOST_COMMANDS = 5_000
_MOST_DEPTH = 80
_PARTS = frozenset(
    {"program", "list", "pipeline", "subshell", "compound_statement", "do_group", "negated_command"}
)
_LOOSE_JOIN = re.compile(r"\\[ \t]+\n")  # a blank behind the backslash, which web pages add
_PROMPT = re.compile(r"(?m)^([ \t]*)\$ (?=\S)")  # as terminals show it
# `--model <your model>`: to the shell two redirections, of which the second would take the next flag.
_PLACEHOLDER = re.compile(r"(?<![<\w&])<([A-Za-z](?:[\w ./:|-]{0,58}[\w./-])?)>(?![\w&>(])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """One simple command. environment holds what was assigned before it or in front of it.

    branch is the line of a test that may keep it from running; None: it runs.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    branch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a text runs, in order, and the files that it writes itself."""

    commands: tuple[ShellCommand, ...]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a script stands: its file and the line of its first line there."""

    file: str = ""
    first_line: int = 1


def read_script(
    text: str, environment: Mapping[str, str] | None = None, origin: Origin | None = None
) -> Script:
    """The commands of a shell text. Raises InputError where it is no shell text."""
    _check_text(text)
    plain = _LOOSE_JOIN.sub("\\\n", text.replace("\r\n", "\n"))
    plain = _PROMPT.sub(r"\1", plain) if not re.search(r"(?m)^#!", plain) else plain
    plain = _PLACEHOLDER.sub(lambda match: hidden(match[1]), plain)
    tree = _parser().parse(plain.encode("utf-8", "replace"))
    reader = _Reader(dict(environment or {}), origin or Origin())
    reader.statement(tree.root_node, 0)
    return Script(commands=tuple(_with_loose_flags(reader.commands)), files=reader.files)


@lru_cache(maxsize=1)
def _parser() -> "Parser":
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def _check_text(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise InputError(
            f"command line: {len(text):,} characters, at most {MAX_CHARS:,} are read; give the command alone"
        )
    if "\0" in text:
        raise InputError(f"command line: a NUL byte at position {text.index(chr(0))}; give it as plain text")


def _with_loose_flags(commands: Sequence[ShellCommand]) -> Iterator[ShellCommand]:
    """A line that begins with a flag goes on with the one before, backslash or not."""
    pending: ShellCommand | None = None
    for command in commands:
        if pending is not None and command.words[0].startswith("-"):
            pending = replace(pending, words=(*pending.words, *command.words))
            continue
        if pending is not None:
            yield pending
        pending = command
    if pending is not None:
        yield pending


class _Reader:
    """Walks the syntax in the order in which it would run."""

    def __init__(self, environment: Mapping[str, str], origin: Origin) -> None:
        self.variables: dict[str, Value] = dict(environment)
        self.origin = origin
        self.commands: list[ShellCommand] = []
        self.files: dict[str, str] = {}
        self.functions: dict[str, Node] = {}

    @property
    def expander(self) -> Expander:
        return Expander(self.variables, self.origin.file, self.origin.first_line)

    def statement(self, node: "Node", depth: int) -> None:
        """Read one statement and all it holds."""
        if depth > _MOST_DEPTH:
            raise InputError("command line: nested too deep to be read; give the command alone")
        if node.type == "ERROR" or node.is_missing:
            raise self._broken(node)
        if node.type in _PARTS:
            for child in node.children:
                if child.is_named or child.is_missing:
                    self.statement(child, depth + 1)
            return
        reader: Any = getattr(self, f"_{node.type}", None)
        if reader is not None:
            reader(node, depth)
        elif node.type not in ("comment", "heredoc_body") and node.has_error:
            raise self._broken(node)

    def _broken(self, node: "Node") -> InputError:
        found = text_of(node)
        bad = next((child for child in _below(node) if child.type == "ERROR" or child.is_missing), node)
        line, near = bad.start_point[0] + self.origin.first_line, (text_of(bad) or found).strip()[:40]
        opened = "; close the quotes" if any(sign in found for sign in "'\"`") else "; correct it"
        return InputError(
            f"command line: line {line} is not shell text near {near!r}: no closing quotation or "
            f"bracket{opened}"
        )

    # --- Statements, by the grammar's names.

    def _command(self, node: "Node", depth: int, extra: Sequence["Node"] = ()) -> None:
        if node.has_error:
            raise self._broken(node)
        own: dict[str, str] = {}
        words: list[str] = []
        for child in (*node.children, *extra):
            if child.type == "variable_assignment":
                own |= {name: value for name, value in [self._assigned(child)] if isinstance(value, str)}
            elif child.type == "file_redirect":
                words += [word for item in _behind_redirect(child) for word in self.expander.words(item)]
            elif child.is_named and child.type not in ("herestring_redirect", "heredoc_redirect", "comment"):
                words += self.expander.words(child)
        if not words:
            self.variables |= own
        elif words[0] in self.functions and depth < _MOST_DEPTH - 20:
            self._call(words, depth)
        else:
            self._add(words, own)

    def _add(self, words: Sequence[str], own: Mapping[str, str]) -> None:
        if len(self.commands) >= _MOST_COMMANDS:
            raise InputError(f"command line: more than {_MOST_COMMANDS:,} commands; give the one alone")
        known = {name: value for name, value in self.variables.items() if isinstance(value, str)}
        self.commands.append(ShellCommand(words=tuple(words), environment={**known, **own}))

    def _call(self, words: Sequence[str], depth: int) -> None:
        """A function of the script, with its arguments as $1, $2 and so on."""
        before = dict(self.variables)
        self.variables |= {str(index): word for index, word in enumerate(words[1:], 1)}
        self.variables["@"] = list(words[1:])
        self.statement(self.functions[words[0]], depth + 10)
        for name in [str(index) for index in range(1, len(words))] + ["@"]:
            self.variables.pop(name, None)
            if name in before:
                self.variables[name] = before[name]

    def _assigned(self, node: "Node") -> tuple[str, Value]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        key = text_of(name) if name is not None else ""
        if value is None:
            found: Value = ""
        elif value.type == "array":
            found = [
                word for child in value.children if child.is_named for word in self.expander.words(child)
            ]
        else:
            found = self.expander.text(value)
        if any(child.type == "+=" for child in node.children):
            found = _joined(self.variables.get(key, ""), found)
        return key, found

    def _variable_assignment(self, node: "Node", depth: int) -> None:
        if node.has_error:
            raise self._broken(node)
        name, value = self._assigned(node)
        self.variables[name] = value

    def _variable_assignments(self, node: "Node", depth: int) -> None:
        for child in node.children:
            self.statement(child, depth + 1)

    def _declaration_command(self, node: "Node", depth: int) -> None:
        for child in node.children:
            if child.type == "variable_assignment":
                self._variable_assignment(child, depth)

    def _unset_command(self, node: "Node", depth: int) -> None:
        for child in node.children[1:]:
            self.variables.pop(text_of(child), None)

    def _function_definition(self, node: "Node", depth: int) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            self.functions[text_of(name)] = body

    def _redirected_statement(self, node: "Node", depth: int) -> None:
        body = node.child_by_field_name("body")
        redirects = [child for child in node.children if child != body]
        for item in redirects:
            if item.type == "heredoc_redirect":
                self._heredoc(item, body, redirects)
        if body is None:
            return
        if body.type == "command":
            self._command(body, depth, [item for item in redirects if item.type == "file_redirect"])
        else:
            self.statement(body, depth + 1)

    def _heredoc(self, node: "Node", body: "Node | None", redirects: Sequence["Node"]) -> None:
        for child in node.children:  # what is piped behind it
            if child.type in ("command", "list", "pipeline"):
                self.statement(child, 1)
        self.files |= heredoc_files(node, body, redirects, self.expander)

    def _if_statement(self, node: "Node", depth: int) -> None:
        self._choose(branches(node, self.expander), node, depth)

    def _case_statement(self, node: "Node", depth: int) -> None:
        self._choose(cases(node, self.expander), node, depth)

    def _choose(self, options: Sequence[Branch], node: "Node", depth: int) -> None:
        """Read the branch that is taken; where that is not known, all, and forget what they assign."""
        possible = []
        for holds, body in options:
            if holds is not False:
                possible.append(body)
            if holds:
                break
        before, first = dict(self.variables), len(self.commands)
        changed: set[str] = set()
        for body in possible:
            self.variables = dict(before)
            for child in body:
                self.statement(child, depth + 1)
            changed |= {name for name, value in self.variables.items() if before.get(name) != value}
        if len(possible) != 1:
            self.variables = {name: value for name, value in before.items() if name not in changed}
            line = node.start_point[0] + self.origin.first_line
            self.commands[first:] = [replace(item, branch=line) for item in self.commands[first:]]

    def _for_statement(self, node: "Node", depth: int) -> None:
        name, body = node.child_by_field_name("variable"), node.child_by_field_name("body")
        values = node.children_by_field_name("value")
        if name is None or body is None:
            return
        words = [word for child in values for word in self.expander.words(child)]
        for word in words[:_MOST_COMMANDS]:
            self.variables[text_of(name)] = word
            self.statement(body, depth + 1)

    def _while_statement(self, node: "Node", depth: int) -> None:
        """A loop over arguments or until a server answers: it starts no engine, or its body is read once."""
        body, before = node.child_by_field_name("body"), dict(self.variables)
        if body is not None and "$#" not in text_of(node)[:40]:
            self.statement(body, depth + 1)
        self.variables = before


def _below(node: "Node") -> Iterator["Node"]:
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending += reversed(current.children)


def _behind_redirect(node: "Node") -> list["Node"]:
    """The grammar hands a redirection all words behind it; but for the first they are the command's."""
    words = [child for child in node.children if child.is_named and child.type != "file_descriptor"]
    return words[1:]


def _joined(known: Value, added: Value) -> Value:
    if isinstance(known, list):
        return [*known, *(added if isinstance(added, list) else [added])]
    return [*([known] if known else []), *added] if isinstance(added, list) else f"{known}{added}"
