"""How `simkit recommend` saves and shows its stages: the closed form, then simulated finalists."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simkit.cli.measuring import stoppable
from simkit.cli.output import remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What flags say of the answer's size and of where it goes."""

    limit: int
    top: int
    dgd_version: str
    output: Path | None
    quiet: bool
    dynamo_rules: bool


def staged(request: Any, asked: Asked, *, finalists: int | None, budget_s: float | None, seed: int) -> Any:
    """The recommendation. Its folder holds the best so far from the end of the closed form on.

    A budget without a number of finalists takes as many of those listed as it allows.
    """
    from simkit.io.problems import SearchOptions, build_problem
    from simkit.verbs.anytime import Stages, recommend_in_stages
    from simkit.verbs.finalists import FinalistOptions, Watch

    watch = Watch(budget_s=budget_s)
    limit = max(asked.limit, asked.top, finalists or 0)
    problem = build_problem(request, SearchOptions(dynamo_rules=asked.dynamo_rules, limit=limit))
    wanted = FinalistOptions(count=finalists, seed=seed) if finalists or budget_s is not None else None

    stages = Stages(
        save=lambda result: _save(result, problem, asked), say=lambda text: _progress(text, asked)
    )
    with stoppable():
        result = recommend_in_stages(problem, wanted, watch, stages)
    names = _save(result, problem, asked)
    if names:
        remark(f"wrote {', '.join(names)} to {asked.output}", quiet=asked.quiet)
    _how_to_resume(result, asked)
    return result


def _save(result: Any, problem: Any, asked: Asked) -> list[str]:
    """What was written, by its name at the top of the folder."""
    if asked.output is None:
        return []
    from simkit.verbs.folder import folder_texts, write_folder

    texts = folder_texts(result, top=asked.top, version=asked.dgd_version, problem=problem)
    written = [path.relative_to(asked.output).parts[0] for path in write_folder(asked.output, texts)]
    return list(dict.fromkeys(written))


def _progress(text: str, asked: Asked) -> None:
    """The best so far, for somebody who watches."""
    remark(text, quiet=asked.quiet or not sys.stderr.isatty())


def _how_to_resume(result: Any, asked: Asked) -> None:
    found = result.finalists
    if found is None or not found.stopped:
        return
    why = "interrupted" if found.stopped == "interrupted" else "the time budget was spent"
    kept = f"what was found is in {asked.output}" if asked.output else "what was found is shown"
    remark(
        f"{why} after {found.simulated} of {found.asked} finalists; {kept}; run the same command again, "
        "or with more time, to simulate the rest",
        quiet=asked.quiet,
    )
