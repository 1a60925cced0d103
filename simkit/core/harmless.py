"""Texts from documents made harmless: a terminal acts on some, a spreadsheet on others."""

import re

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Control characters, and those that turn the direction of what follows; in JSON they may be written out.
_ACTED_ON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def shown_line(text: str) -> str:
    """The text with what a terminal would act on written out; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def json_line(text: str) -> str:
    """JSON text with what a terminal would act on as escapes; the same document."""
    return _ACTED_ON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cell(text: str) -> str:
    """A text for a cell: one that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text
