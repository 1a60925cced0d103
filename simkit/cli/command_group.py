"""The verbs, grouped by what people do; a verb's module is loaded when it is called or its help is shown."""

import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from simkit.core.errors import unknown_name

_EXAMPLE, _LINE = "Example: ", 74
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class Verb(NamedTuple):
    """Where a verb's function is, and what the help page says of it."""

    module: str
    summary: str


VERBS: dict[str, dict[str, Verb]] = {
    "Ask": {
        "recommend": Verb("recommend", "the best configuration for a request, and its DGD"),
        "estimate": Verb("estimate", "latency, throughput, memory and operators of one deployment"),
        "simulate": Verb("simulate", "one deployment request by request: percentiles, goodput, queues"),
        "predict": Verb("tables", "predictions for a table of deployments"),
        "compare": Verb("compare", "what differs between two deployments, requests or runs, and why"),
        "report": Verb("compare", "what was found as a page to forward: HTML, Markdown, SVG, PNG"),
        "models": Verb("catalogue", "models that are known by name: sizes, kinds, formats"),
        "gpus": Verb("catalogue", "GPUs that are known by name: memory, rates, data at hand"),
        "support": Verb("checks", "GPUs, engines and models that Dynamo supports and that we predict"),
    },
    "Sweep": {
        "experiment": Verb(
            "sweeps.experiment", "one question at many points: predicted, simulated or searched"
        ),
        "export": Verb("sweeps.export", "selected deployments as DGDs, with the benchmark of each"),
    },
    "Check": {
        "validate": Verb("checks", "every fault of DGDR and DGD documents"),
        "tools": Verb("checks", "find or install AIPerf and Dynamo"),
    },
    "Deploy and measure": {
        "discover": Verb("cluster.discover", "GPUs of a cluster or of this machine, as a hardware: block"),
        "check": Verb("cluster.check", "what a cluster lacks for a DGD or DGDR, and what mends it"),
        "deploy": Verb("cluster.deploy", "bring up a DGD or DGDR and follow it"),
        "status": Verb("cluster.status", "how a deployment or request on the cluster stands, and why"),
        "delete": Verb("cluster.delete", "remove a deployment or request that simkit made"),
        "benchmark": Verb("benchmark", "a server under the load that was predicted"),
        "profile": Verb("profile", "predict, deploy, measure, choose, recalibrate"),
        "doctor": Verb("doctor", "why measured differs from predicted"),
    },
    "Learn": {
        "evaluate": Verb("tables", "predictions against measurements: errors per partition"),
        "fit": Verb("fit", "operator models, factors and corrections fitted to measurements"),
        "next-runs": Verb("doctor", "the measurements that would narrow the intervals most"),
    },
}
_BY_NAME = {name: verb for group in VERBS.values() for name, verb in group.items()}


class VerbGroup(TyperGroup):
    """Typer's group, with verbs that are found by name in VERBS."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every verb, in the order of the help page."""
        return list(_BY_NAME)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb as a command, None for an unknown name."""
        if cmd_name not in _BY_NAME:
            return None
        function = getattr(
            import_module(f"simkit.cli.{_BY_NAME[cmd_name].module}"), cmd_name.replace("-", "_")
        )
        return _command(cmd_name, function)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first word names. Raises InputError with the nearest names for an unknown one."""
        if args and args[0] not in _BY_NAME:
            raise unknown_name("verb", args[0], list(_BY_NAME), "`simkit help` lists them")
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, _dry_runs(command, rest)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """What the command is for, its example as a shell takes it."""
        self.help = _examples_kept(self.help or "")
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section for each group of verbs."""
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, verb.summary) for name, verb in verbs.items()])


class ActionGroup(TyperGroup):
    """A verb with actions of its own, such as `experiment run`; alone it shows its help page."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """The words that follow the verb."""
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The action that the first word names. Raises InputError with the nearest for an unknown one."""
        if args and args[0] not in self.commands:
            raise unknown_name(
                "action", args[0], list(self.commands), f"`simkit help {ctx.info_name}` lists them"
            )
        return super().resolve_command(ctx, args)


def _dry_runs(command: Any, words: list[str]) -> list[str]:
    """The words, where --dry-run without its kind is the one that asks no cluster."""
    own = next((one for one in getattr(command, "params", ()) if "--dry-run" in one.opts), None)
    if own is None or own.is_flag:
        return words
    end = words.index("--") if "--" in words else len(words)
    following = [*words[1:end], "--", *words[end:]]
    return [
        f"{word}=client" if word == "--dry-run" and (after[:1] == "-" or Path(after).exists()) else word
        for word, after in zip(words, following, strict=False)
    ]


def _command(name: str, function: Callable[..., Any] | typer.Typer) -> Any:
    if isinstance(function, typer.Typer):
        return _with_examples(get_command(function))
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(name, context_settings=HELP_NAMES)(function)
    return _with_examples(get_command(app))


def _with_examples(command: Any) -> Any:
    """The command, and its actions, with examples on lines that a shell takes as they are printed."""
    for one in (command, *getattr(command, "commands", {}).values()):
        one.help = _examples_kept(one.help or "")
    return command


def _examples_kept(text: str) -> str:
    parts = text.split("\n\n")
    return "\n\n".join(_example(part) if part.startswith(_EXAMPLE) else part for part in parts)


def _example(text: str) -> str:
    """Lines that click leaves alone, broken between words only, each but the last ending in a backslash."""
    words = " ".join(text.split())
    lines = textwrap.wrap(
        words, _LINE, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )
    return "\b\n" + " \\\n".join(lines)
