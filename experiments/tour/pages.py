"""What a document asks its reader to save and to run, read off its Markdown.

A fence with a title is a file to save. Commands are the lines of `sh` fences, and the first line of a block
between `<!-- run, N lines -->` and `<!-- end -->`, whose rest is what it prints. Elsewhere commands are the
lines of indented blocks that begin with the command's name, comments left out.
"""

import re
import shlex
from collections.abc import Iterator

FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
RUN = re.compile(r"<!-- run, (\d+) lines -->\n\n    \$ ([^\n]+)\n.*?<!-- end -->", re.DOTALL)


def files_of(text: str) -> dict[str, str]:
    """Name and contents of every file that the reader saves."""
    return {match[1]: match[2] for match in FILE.finditer(text)}


def commands_of(text: str) -> list[str]:
    """Every command, in the order of the page."""
    return [command for _, command in sorted(_placed(text))]


def indented_commands_of(text: str, name: str = "simkit") -> list[list[str]]:
    """The words of every command in indented blocks, in the order of the page."""
    lines = (line.strip().removeprefix("$ ") for line in INDENTED.findall(text.replace("\\\n", " ")))
    return [shlex.split(line, comments=True) for line in lines if line.startswith(f"{name} ")]


def _placed(text: str) -> Iterator[tuple[int, str]]:
    for block in SHELL.finditer(text):
        place = block.start(1)
        for line in block[1].replace("\\\n", "").splitlines():
            place += 1
            yield place, " ".join(line.split())
    yield from ((match.start(), match[2]) for match in RUN.finditer(text))
