"""Pages of the documentation site: documents stay where they are in the repository, so that their links hold.

mkdocs reads one folder, but our documents link to reports, data and experiments beside it. The site holds the
documents named below under their own paths, and every file that one of them links to.
"""

import html
import re
from pathlib import Path
from typing import Any

import typer
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from simkit.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("*.md", "docs/*.md", "docs/howto/*.md", "docs/api/*.md", "data/README.md", "reports/**/*.md")
GALLERY = "reports/**/*.html"
BESIDE = ("reports/**/*.js", "reports/**/*.css", "docs/site/*.js")  # what pages load
COMMANDS = "docs/commands.md"
_EXIT = (
    "Exit status: 0 done; 1 done, but the SLA or a bound is missed; 2 bad input; 3 an outside system failed."
)
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def equation(source: str, language: str, css_class: str, options: dict[str, Any], md: Any, **_: Any) -> str:
    """A fenced block of LaTeX as MathML; GitHub draws the same block by itself."""
    return "\n".join(f"<p>{convert(line, display='block')}</p>" for line in source.split("\n\n"))


def on_page_content(content: str, **_: Any) -> str:
    """Symbols between dollars as MathML, too."""
    return _INLINE.sub(lambda match: convert(html.unescape(match[1])), content)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the fence for equations: a function cannot stand in the YAML."""
    fences = [{"name": "math", "class": "math", "format": equation}]
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = fences
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The theme's own files, our documents, what they link to, and the page of commands."""
    kept = Files([file for file in files if file.src_dir != config.docs_dir])
    for path in sorted(_everything()):
        uri = path.relative_to(ROOT).as_posix()
        kept.append(File.generated(config, uri, abs_src_path=str(path)))
    kept.append(File.generated(config, COMMANDS, content=commands_page()))
    return kept


def _everything() -> set[Path]:
    """Documents and the gallery, and the files that documents name."""
    found: set[Path] = set()
    todo = [path for pattern in (*DOCUMENTS, GALLERY, *BESIDE) for path in ROOT.glob(pattern)]
    while todo:
        path = todo.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        if path.suffix == ".md":
            links = _LINK.findall(path.read_text(encoding="utf-8"))
            todo += [(path.parent / link).resolve() for link in links if "://" not in link]
    return {path for path in found if path.is_relative_to(ROOT)}


def commands_page() -> str:
    """Every command's help, as the command prints it."""
    group: Any = typer.main.get_command(app)
    parts = ["# Commands", f"What `simkit COMMAND --help` prints. {_EXIT}"]
    parts += _parts(group, "simkit")
    return "\n\n".join(parts) + "\n"


def _parts(group: Any, above: str) -> list[str]:
    """A heading and the help of each command of a group, and of theirs."""
    found = []
    for name in group.list_commands(None):
        command, words = group.get_command(None, name), f"{above} {name}"
        context = typer.Context(command, info_name=words, max_content_width=100, terminal_width=100)
        found.append(f"## {words}\n\n```text\n{command.get_help(context).rstrip()}\n```")
        found += _parts(command, words) if hasattr(command, "list_commands") else []
    return found
