"""Shell text taken apart into commands and words. Nothing is run, and no variable of this process is read."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from simkit.core.errors import InputError

MAX_CHARS = 65_536  # a long launch script; more is a mistake
_MAX_WORD = 16_384  # after variables are filled in

_LEXEMES = re.compile(
    r"""(?P<quoted>'[^']*'|"(?:\\.|[^"\\])*")
      | (?P<joined>\\[ \t]*\r?\n)
      | (?P<escaped>\\.)
      | (?P<substitution>\$\([^()]*\)|`[^`]*`)
      | (?P<comment>(?<!\S)\#[^\n]*)
      | (?P<redirect>(?<!\S)[\d&]?(?:>>|>\||>&|<&|>|<(?!<))[ \t]*(?:'[^']*'|"[^"]*"|[^\s;&|<>()]+))
      | (?P<newline>\n\s*)""",
    re.VERBOSE | re.DOTALL,
)
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^{}]*))?\}|\$(\w+)", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_OPERATOR = re.compile(r"[();<>|&]+")
_EXPORTS = ("export", "declare", "readonly", "set")
# What word processors and web pages make of dashes and quotes; a shell takes them as letters.
_TYPOGRAPHIC = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019\u201c\u201d"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """One simple command. environment holds what was assigned before it or in front of it."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


def shell_commands(text: str, environment: Mapping[str, str] | None = None) -> list[ShellCommand]:
    """The simple commands in `text`, in order: a command line, several, or a script without here-documents.

    Comments and redirections are dropped; $NAME is filled in where the text itself assigns NAME.
    Raises InputError where the text cannot be split.
    """
    _check_text(text)
    assigned = dict(environment or {})
    found = []
    for words in _simple_commands(_words(_LEXEMES.sub(_plain, text))):
        own, rest = _assignments([_expanded(word, assigned) for word in words])
        if not rest:
            assigned |= own
        else:
            found.append(ShellCommand(words=tuple(rest), environment={**assigned, **own}))
    return found


def _check_text(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise InputError(
            f"command line: {len(text):,} characters, at most {MAX_CHARS:,} are read; give the command alone"
        )
    if "\0" in text:
        raise InputError(f"command line: a NUL byte at position {text.index(chr(0))}; give it as plain text")


def _plain(match: re.Match[str]) -> str:
    """What stands in for one piece of shell syntax before words are split."""
    kind = match.lastgroup
    if kind in ("quoted", "escaped"):
        return match.group()
    if kind == "substitution":
        return "${command_substitution}"  # never run; a setting that needs it is refused for its value
    if kind == "newline":
        # A line that begins with a flag goes on with the one before, backslash or not.
        following = match.string[match.end() : match.end() + 1]
        return " " if following == "-" else " ; "
    return " "


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = [word for word in lexer if word.strip()]
    except ValueError as error:
        raise InputError(f"command line: {str(error).lower()}; close the quotes") from error
    for word in words:
        if word[0] in _TYPOGRAPHIC:
            raise InputError(
                f"command line: {word[:40]!r} begins with a typographic dash or quote; write it in ASCII"
            )
    return words


def _simple_commands(words: list[str]) -> list[list[str]]:
    """Words between ; && || | & and parentheses."""
    found: list[list[str]] = [[]]
    for word in words:
        if not _OPERATOR.fullmatch(word):
            found[-1].append(word)
        elif word.startswith("<<"):
            raise InputError(
                "command line: here-documents are not read; save the file that it makes, and give the "
                "command that follows"
            )
        else:
            found.append([])
    return [command for command in found if command]


def _assignments(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leading NAME=value words (after export, env and the like), and the words behind them."""
    assigned: dict[str, str] = {}
    rest = words[1:] if words[0] in _EXPORTS else words
    for index, word in enumerate(rest):
        match = _ASSIGNMENT.fullmatch(word)
        if match:
            assigned[match[1]] = match[2]
        elif word not in ("env", "exec", "nohup", "time", "sudo"):
            return assigned, [] if words[0] in _EXPORTS else rest[index:]
    return assigned, []


def _expanded(word: str, assigned: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found: str | None = assigned.get(match[1] or match[3], match[2])
        return match.group() if found is None else found

    result = _VARIABLE.sub(value, word)
    if len(result) > _MAX_WORD:
        raise InputError(
            f"command line: {word[:40]!r} has {len(result):,} characters with its variables filled in, at "
            f"most {_MAX_WORD:,} are read; shorten it"
        )
    return result
