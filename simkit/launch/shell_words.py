"""Words of a shell command with their variables filled in, as bash would; nothing is run."""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from simkit.core.errors import InputError
from simkit.core.placed import Placed

if TYPE_CHECKING:
    from tree_sitter import Node

Value = str | list[str]  # a variable's, or an array's
MOST_WORD = 16_384  # after variables are filled in
MOST_DEPTH = 60
SUBSTITUTION = "${command_substitution}"  # never run; a setting that needs it is refused for its value

_TYPOGRAPHIC = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019\u201c\u201d"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_IN_QUOTES = re.compile(r'\\([$`"\\])|\\\n', re.DOTALL)
_ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.floordiv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_LARGEST = 10**9
_ALTERNATIVES = (":-", "-", ":=", "=")


# In place of the signs around and the blanks in a placeholder (`<your model>`), which is one word.
_HIDDEN = str.maketrans("<> ", "\ue000\ue001\ue002")
_SHOWN = str.maketrans("\ue000\ue001\ue002", "<> ")


def hidden(placeholder: str) -> str:
    """A placeholder as one word to the shell."""
    return f"<{placeholder}>".translate(_HIDDEN)


def text_of(node: "Node") -> str:
    """The node's own source."""
    return shown(node.text or b"")


def shown(source: bytes) -> str:
    """Source as it was written, placeholders included."""
    return source.decode("utf-8", "replace").translate(_SHOWN)


class Expander:
    """Fills in what the text itself assigns; what it does not know stays as written."""

    def __init__(self, variables: Mapping[str, Value], file: str, first_line: int) -> None:
        self.variables = variables
        self.file, self.first_line = file, first_line

    def words(self, node: "Node") -> list[str]:
        """The words that one word of the text becomes: none, one, or as many as its blanks make."""
        pieces = list(self._pieces(node, 0))
        found, current, quoted = [], "", False
        for text, splits, keeps in pieces:
            if not splits:
                current, quoted = current + text, quoted or keeps
                continue
            parts = re.split(r"[ \t\n]+", text)
            for part in parts[:-1]:
                if current + part or quoted:
                    found.append(current + part)
                current, quoted = "", False
            current += parts[-1]
        if current or quoted or not pieces:
            found.append(current)
        return [self._checked(word, node) for word in found]

    def text(self, node: "Node") -> str:
        """The node as one word, as in an assignment: blanks do not split it."""
        return self._checked("".join(text for text, _, _ in self._pieces(node, 0)), node)

    def _checked(self, word: str, node: "Node") -> str:
        if len(word) > MOST_WORD:
            raise InputError(
                f"command line: {word[:40]!r} has {len(word):,} characters with its variables filled in, at "
                f"most {MOST_WORD:,} are read; shorten it"
            )
        if word[:1] and word[0] in _TYPOGRAPHIC:
            raise InputError(
                f"command line: {word[:40]!r} begins with a typographic dash or quote; write it in ASCII"
            )
        return Placed(word, node.start_point[0] + self.first_line, self.file)

    def _pieces(self, node: "Node", depth: int) -> Iterator[tuple[str, bool, bool]]:
        """Text, whether its blanks split words, and whether it is a word even when empty."""
        if depth > MOST_DEPTH:
            raise InputError("command line: quotes and expansions nested too deep; write it plainer")
        kind = node.type
        if kind == "string":
            yield from self._quoted(node, depth)
        elif kind in ("raw_string", "ansi_c_string"):
            inner = text_of(node)
            yield (inner[1:-1] if kind == "raw_string" else inner[2:-1]), False, True
        elif kind in ("simple_expansion", "expansion"):
            yield from self._expansion(node, depth, quoted=False)
        elif kind == "arithmetic_expansion":
            yield self._arithmetic(node), False, False
        elif kind in ("command_substitution", "process_substitution"):
            yield SUBSTITUTION, False, True
        elif kind in ("concatenation", "command_name", "translated_string"):
            for child in node.children:
                yield from self._pieces(child, depth + 1)
        else:
            text = text_of(node).replace("\\\n", "")
            yield _ESCAPED.sub(r"\1", text), False, False

    def _quoted(self, node: "Node", depth: int) -> Iterator[tuple[str, bool, bool]]:
        """Between double quotes; the blanks between two pieces are no nodes of the tree."""
        source, at = node.text or b"", 1
        yield "", False, True
        for child in node.children:
            if child.type == '"':
                continue
            start = child.start_byte - node.start_byte
            yield _unescaped(shown(source[at:start])), False, True
            at = child.end_byte - node.start_byte
            if child.type in ("simple_expansion", "expansion"):
                yield from self._expansion(child, depth, quoted=True)
            elif child.type == "string_content":
                yield _unescaped(text_of(child)), False, True
            else:
                yield from ((text, False, True) for text, _, _ in self._pieces(child, depth + 1))
        yield _unescaped(shown(source[at : len(source) - 1])), False, True

    def _expansion(self, node: "Node", depth: int, *, quoted: bool) -> Iterator[tuple[str, bool, bool]]:
        found = self._value(node, depth)
        if found is None:
            yield text_of(node), False, True
        elif isinstance(found, list):
            for index, item in enumerate(found):  # one word each, whether quoted or not
                yield from ((" ", True, False),) if index else ()
                yield item, not quoted, quoted
        else:
            yield found, not quoted, quoted

    def _value(self, node: "Node", depth: int) -> Value | None:
        """What a variable holds; None: not known here."""
        source = text_of(node)
        if source in ("$@", "$*", "${@}", "${*}"):
            return self.variables.get("@", [])
        match = re.match(r"\$\{?(\w+)(\[[@*]\])?(.*?)\}?$", source, re.DOTALL)
        if match is None:
            return None
        name, rest = match[1], match[3]
        known = self.variables.get(name)
        if isinstance(known, list) and not match[2]:
            known = known[0] if known else ""
        if not rest:
            return known
        return self._alternative(node, (known, rest), depth)

    def _alternative(self, node: "Node", given: tuple[Value | None, str], depth: int) -> Value | None:
        """`${NAME:-default}` and its like; None for what else may stand behind a name."""
        known, rest = given
        sign = next((item for item in (*_ALTERNATIVES, ":+", "+") if rest.startswith(item)), None)
        if sign is None:
            return None
        empty = known is None or (sign.startswith(":") and not known)
        if sign.endswith("+"):
            return "" if empty else self._behind(node, sign, depth)
        return self._behind(node, sign, depth) if empty else known

    def _behind(self, node: "Node", sign: str, depth: int) -> str:
        """The text behind the sign, its own variables filled in."""
        after = False
        found = ""
        for child in node.children:
            if after and child.type != "}":
                found += "".join(text for text, _, _ in self._pieces(child, depth + 1))
            after = after or text_of(child) == sign
        return found

    def _arithmetic(self, node: "Node") -> str:
        """`$((A * 2))` of whole numbers; as written where it is more than that."""
        inner = text_of(node)[3:-2]

        def value(match: re.Match[str]) -> str:
            known = self.variables.get(match[1] or match[2])
            return known if isinstance(known, str) and known.isdigit() else match.group()

        try:
            tree = ast.parse(re.sub(r"\$\{?(\w+)\}?|\b([A-Za-z_]\w*)\b", value, inner).strip(), mode="eval")
            return str(_whole(tree.body))
        except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
            return text_of(node)


def _whole(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value <= _LARGEST:
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        found = _ARITHMETIC[type(node.op)](_whole(node.left), _whole(node.right))
        if abs(found) <= _LARGEST:
            return found
    raise ValueError("not whole numbers")


def _unescaped(text: str) -> str:
    return _IN_QUOTES.sub(lambda match: match[1] or "", text)
