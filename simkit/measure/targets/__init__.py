"""Where a deployment can be brought up to be measured: one module of this folder for each target.

A module is found by being here: its name is what `--target` takes, its TARGET says how it is brought up.
"""

import pkgutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from simkit.closed_form.problem import Problem
from simkit.cluster.apply import Applied
from simkit.core.errors import unknown_name
from simkit.core.estimate import Candidate
from simkit.core.workload import Workload
from simkit.measure.run import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a target would create for a candidate with a folder, where it is told by documents.

    documents: as they would be sent. changes: what a dry run of them changes there.
    """

    documents: Callable[[Problem, Candidate, Path], Sequence[dict[str, Any]]]
    changes: Callable[[Problem, Candidate, Path], Sequence[Applied]]


def as_it_is(problem: Problem, candidate: Candidate, load: Workload) -> Candidate:
    """Real engines do what was predicted of them."""
    return candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How candidates are brought up and what is then expected of them.

    about: a few words for messages. start: a candidate served, with its files in a folder, until the context
    ends; it raises ExternalError where that cannot be. expect: the candidate as it will be there under a
    load. real_engines: what is measured says something of GPUs, so that it corrects predictions.
    own_tokenizer: the model served has one of ours, as no weights are there. rehearsal: what it would create.
    """

    about: str
    start: Callable[[Problem, Candidate, Path], AbstractContextManager[Server]]
    expect: Callable[[Problem, Candidate, Workload], Candidate] = as_it_is
    real_engines: bool = True
    own_tokenizer: bool = False
    rehearsal: Rehearsal | None = None


def target_names() -> tuple[str, ...]:
    """Every target that can be named."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__)))


def target_of(name: str) -> Target:
    """The target of that name. Raises InputError for one that is not known."""
    known = target_names()
    if name not in known:
        raise unknown_name("target", name, known, f"expected one of {', '.join((*known, 'url'))}")
    found: Target = import_module(f"{__name__}.{name}").TARGET
    return found
