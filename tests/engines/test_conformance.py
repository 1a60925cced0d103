"""What every engine must hold, whichever it is: the toy engine is held to the same."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from perfmodels.efficiency import Efficiency
from perfmodels.model.dtypes import DTYPES, Precision
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.calibrations import FACTORS, artifact, efficiency
from simkit.catalog.gpus import gpu, gpu_names
from simkit.catalog.models import load_model
from simkit.catalog.operators import learned_times
from simkit.catalog.problems import engine_model
from simkit.core.deployment import Pool
from simkit.core.draft import METHODS, Draft
from simkit.core.errors import InputError
from simkit.engines.engine_memory import kv_reservation, memory_fraction, memory_rules, visible_bytes
from simkit.engines.flag_parser import cache_format, parse_worker_args, weight_format
from simkit.engines.flag_writer import draft_flags, worker_args
from simkit.engines.multinode import launch, launch_problem
from simkit.engines.registry import (
    default_engine,
    engine_names,
    engine_spec,
    engine_specs,
    registered,
)
from simkit.engines.releases import RELEASES
from simkit.engines.spec import EngineShape, WorkerContext
from simkit.engines.support import draft_refusal, unsupported
from simkit.formats.engine_command.pools import served_pool
from simkit.launch.arguments import read_arguments
from simkit.launch.starts import engine_starts
from simkit.sim.policy import SchedulerPolicy

from . import toy_engine

MODEL = "Qwen/Qwen3-32B"
CONTEXT = WorkerContext(model_name=MODEL, model_path=MODEL)
PLANS = (
    ParallelPlan(), ParallelPlan(tp=4), ParallelPlan(tp=2, pp=2), ParallelPlan(tp=8, moe_tp=8),
    ParallelPlan(tp=8, ep=8), ParallelPlan(attn_dp=8, ep=8), ParallelPlan(tp=2, attn_dp=4, ep=8),
)  # fmt: skip
ROLES = ("aggregated", "prefill", "decode")
CHANGES = (
    {}, {"max_num_seqs": 48}, {"max_num_batched_tokens": 4096}, {"memory_frac": 0.7},
    {"max_model_len": 12345}, {"prefix_caching": False}, {"kv_block_tokens": 64}, {"cuda_graphs": False},
)  # fmt: skip


@pytest.fixture(params=(*engine_names(), toy_engine.NAME))
def spec(request):
    if request.param != toy_engine.NAME:
        yield engine_spec(request.param)
        return
    with registered(toy_engine.SPEC) as toy:
        yield toy


def pool(spec, plan=None, **changes):
    return Pool(plan=plan or ParallelPlan(), engine=default_engine(spec.name, **changes))


def written(spec, plan, role="aggregated", context=CONTEXT, **changes):
    """A worker's arguments, None where the engine says that it cannot do so."""
    try:
        return worker_args(pool(spec, plan, **changes), role, context)
    except InputError as error:
        assert len(str(error)) > 20
        return None


# --- Flags: what is written is read back.


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.label)
def test_a_plan_and_a_role_are_read_back(spec, plan, role):
    args = written(spec, plan, role)
    if args is None:
        return
    found = parse_worker_args(spec.name, args, moe=plan.moe_tp * plan.ep > 1)
    assert (found.plan, found.role or "aggregated") == (plan, role)
    assert (found.model_path, found.model_name, found.unknown) == (MODEL, MODEL, ())


def test_the_engine_writes_its_usual_plans(spec):
    """A refusal is for rare plans: one GPU, tensor and expert parallelism go with every engine."""
    assert all(written(spec, plan) for plan in (PLANS[0], PLANS[1], PLANS[2], PLANS[4], PLANS[5]))


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes), "defaults"))
@pytest.mark.parametrize("plan", (PLANS[1], PLANS[5]), ids=lambda plan: plan.label)
def test_settings_are_read_back(spec, plan, changes):
    args = written(spec, plan, **changes)
    if args is None:
        assert changes == {"cuda_graphs": False}
        return
    found = parse_worker_args(spec.name, args, moe=plan.ep > 1)
    assert found.engine == default_engine(spec.name, **changes)


@pytest.mark.parametrize("field", ("poll", "hold"))
def test_steps_that_trade_ttft_for_throughput_are_read_back(spec, field):
    if getattr(spec.flags, field):
        args = written(spec, ParallelPlan(), **{f"{field}_steps": 30})
        assert getattr(parse_worker_args(spec.name, args).engine, f"{field}_steps") == 30


def test_every_cache_format_is_written_and_none_is_read_as_another(spec):
    for kv in spec.formats.cache_names:
        args = written(spec, ParallelPlan(), context=replace(CONTEXT, precision=Precision(kv=kv)))
        assert parse_worker_args(spec.name, args).kv_dtype in (None, kv)
    odd = replace(CONTEXT, precision=Precision(kv="int8"))
    with pytest.raises(InputError, match=f"{spec.name} cannot store the KV cache as int8"):
        worker_args(pool(spec), "aggregated", odd)


def test_every_quantisation_names_a_known_format(spec):
    for method, expected in spec.formats.quantizations.items():
        assert weight_format(spec.name, method) == expected
        assert expected is None or expected in DTYPES
    assert cache_format("fp8") == "fp8"


def test_no_flag_means_two_settings(spec):
    single = [
        name
        for field in spec.flags.__dataclass_fields__
        if field not in ("neutral", "legacy_roles")
        for name in getattr(spec.flags, field)
    ]
    assert sorted({name for name in single if single.count(name) > 1}) == []


def test_the_router_hears_of_what_prefills_only(spec):
    events = replace(CONTEXT, kv_events=True)
    told = {role: set(written(spec, PLANS[0], role, events)) for role in ROLES}
    silent = {role: set(written(spec, PLANS[0], role)) for role in ROLES}
    assert told["aggregated"] != silent["aggregated"]
    assert told["decode"] == silent["decode"]


# --- Drafts.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.label)
def test_a_draft_is_written_or_refused_with_a_reason(spec, plan, method):
    draft = Draft(method=method, tokens=3, acceptance=0.7, model="a/head" if method == "eagle" else None)
    reason = draft_refusal(spec.name, draft, plan)
    if reason:
        with pytest.raises(InputError, match=reason[:20]):
            draft_flags(spec.name, draft, plan)
        return
    flags = draft_flags(spec.name, draft, plan)
    assert any(size in " ".join(flags) for size in ("3", "4"))  # the tokens drafted, or with the one before
    assert draft.model is None or draft.model in " ".join(flags)
    assert parse_worker_args(spec.name, flags).engine.speculative


def test_some_draft_goes_with_one_gpu(spec):
    drafts = [
        Draft(method=m, tokens=2, acceptance=0.5, model="a/b" if m == "eagle" else None) for m in METHODS
    ]
    assert not all(draft_refusal(spec.name, draft, ParallelPlan()) for draft in drafts)


# --- Defaults, releases and memory.


def test_defaults_exist_for_every_release(spec):
    assert set(spec.releases.versions) == {release.name for release in RELEASES}
    for version in (None, *spec.releases.versions.values()):
        engine = default_engine(spec.name, version=version)
        assert (engine.backend, engine.version) == (spec.name, version)


@pytest.mark.parametrize("name", ("h200_sxm", "l40s", "b200_sxm"))
def test_memory_reserves_are_positive_and_below_the_gpu(spec, name):
    device = gpu(name)
    plans = PlanArray.of(list(PLANS))
    for version in (None, spec.defaults.version, *spec.releases.versions.values(), "0.1.0"):
        for share in (None, spec.defaults.memory_frac):
            base = engine_model(load_model(MODEL), device, spec.name)
            model = replace(base, engine=default_engine(spec.name, version=version, memory_frac=share))
            rules, fraction = memory_rules(model, plans), memory_fraction(model, plans)
            assert ((fraction > 0) & (fraction < 1)).all()
            assert 0 < rules.fixed_bytes + rules.collective_bytes < device.memory_bytes / 2
            assert ((np.asarray(rules.usable_frac) > 0) & (np.asarray(rules.usable_frac) <= 1)).all()
            assert 0.9 * device.memory_bytes < visible_bytes(model) < device.memory_bytes
    assert 0 < kv_reservation(spec.defaults) <= 1


def test_the_engine_runs_on_some_gpus_and_says_why_not_on_others(spec):
    reasons = {name: unsupported(spec.name, gpu(name), Precision()) for name in gpu_names()}
    assert reasons["h200_sxm"] == "" != reasons["v100_sxm"]
    assert all(reason == "" or reason.startswith(spec.name) for reason in reasons.values())


def test_factors_and_tables_are_fitted_or_borrowed_by_name(spec):
    assert spec.fitted_as in artifact(FACTORS)["engines"]
    assert efficiency(spec.name) == efficiency(spec.fitted_as) != Efficiency()
    learned = learned_times(gpu("h200_sxm"), spec.name)
    assert (learned.engine, learned.borrowed) == (spec.fitted_as, spec.fitted_as != spec.name)


# --- The simulator.


def test_the_scheduler_of_the_simulator_constructs(spec):
    policy = SchedulerPolicy.of(spec.defaults, efficiency(spec.name), 100_000.0)
    assert policy.token_budget == spec.defaults.max_num_batched_tokens
    assert policy.page_tokens == spec.defaults.kv_block_tokens
    assert policy.reserve_frac == spec.scheduling.reserve_running


# --- Names and looks.


def test_names_labels_colours_ranks_and_modules_are_unique():
    with registered(toy_engine.SPEC):
        specs = engine_specs()
        for of in (
            lambda s: s.name, lambda s: s.label, lambda s: s.colour, lambda s: s.rank,
            lambda s: s.worker.module, lambda s: s.worker.image, lambda s: s.server.variable,
        ):  # fmt: skip
            assert len({of(spec) for spec in specs}) == len(specs)


def test_an_engine_cannot_take_anothers_place():
    with pytest.raises(InputError, match="its name is vllm's"), registered(engine_spec("vllm")):
        pass
    same = replace(toy_engine.SPEC, colour=engine_spec("sglang").colour)
    with pytest.raises(InputError, match="its colour is sglang's"), registered(same):
        pass
    lost = replace(toy_engine.SPEC, fitted_as="tgi")
    with pytest.raises(InputError, match="unknown engine in fitted_as 'tgi'"), registered(lost):
        pass
    assert toy_engine.NAME not in engine_names()


# --- Start-up.


def test_its_own_command_line_is_read_back(spec):
    wanted = pool(spec, ParallelPlan(tp=4), max_num_seqs=48)
    args = worker_args(wanted, "aggregated", CONTEXT)
    words = [spec.server.program, *spec.server.arguments(args, CONTEXT, "engine.yaml")]
    read = engine_starts(shlex.join(words))
    starts, others = read.starts, read.others
    assert [start.backend for start in starts] == [spec.name]
    assert others == ()
    if spec.server.settings is not None:
        assert spec.server.settings(args)["max_batch_size"] == 48
        return
    arguments = read_arguments(starts[0])
    served = served_pool(starts[0], arguments, moe=False)
    assert (arguments.model, served.pool) == (MODEL, wanted)


def test_every_start_that_is_shown_is_known(spec):
    for start in (*spec.server.shown, f"python3 -m {spec.worker.module}"):
        (found,) = engine_starts(f"{start} {MODEL}").starts
        assert found.backend == spec.name


# --- Over several nodes.


def test_engines_over_several_nodes_start_or_say_why_not(spec):
    shapes = [(ParallelPlan(tp=8, pp=2), True), (ParallelPlan(tp=16, moe_tp=16), True),
              (ParallelPlan(tp=16, attn_dp=2, ep=32), None)]  # fmt: skip
    for plan, starts in shapes:
        shape = EngineShape.of(spec.name, plan)
        reason = launch_problem(shape, gpus_per_pod=8, nodes=plan.num_gpus // 8)
        assert starts is None or (reason is None) == starts
        assert launch(shape, 8)
    assert launch_problem(EngineShape.of(spec.name, ParallelPlan(tp=3)), gpus_per_pod=8, nodes=1) is None


def test_the_operators_flags_are_not_ours(spec):
    """What the operator injects on each node must not be among what is written."""
    for plan in PLANS:
        for role in ROLES:
            assert not set(written(spec, plan, role) or ()) & set(spec.multinode.injected)
