"""Files that a script writes itself, out of here-documents."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simkit.launch.shell_words import Expander, shown, text_of

if TYPE_CHECKING:
    from tree_sitter import Node


def heredoc_files(
    node: "Node", body: "Node | None", redirects: Sequence["Node"], expander: Expander
) -> dict[str, str]:
    """`cat > FILE <<EOF` and `tee FILE <<EOF`: the file by its name; nothing where none is written."""
    target = [child for child in (*node.children, *redirects) if child.type == "file_redirect"]
    content = next((child for child in node.children if child.type == "heredoc_body"), None)
    start = next((text_of(child) for child in node.children if child.type == "heredoc_start"), "")
    words = text_of(body).split() if body is not None else []
    if content is None or not words or words[0] not in ("cat", "tee", "sudo"):
        return {}
    literal = start[:1] in ("'", '"', "\\")
    text = text_of(content) if literal else _filled(content, expander)
    names = [word for item in target for child in item.children[-1:] for word in expander.words(child)]
    if words[0] != "cat":
        names += [word for word in words[1:] if not word.startswith("-") and word != "tee"]
    return dict.fromkeys(names[:1], text)


def _filled(content: "Node", expander: Expander) -> str:
    """A here-document's text with its variables filled in."""
    source, found, at = content.text or b"", "", 0
    for child in content.children:
        if child.type in ("simple_expansion", "expansion"):
            start = child.start_byte - content.start_byte
            found += shown(source[at:start]) + expander.text(child)
            at = child.end_byte - content.start_byte
    return found + shown(source[at:])
