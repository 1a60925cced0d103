"""Dynamo without GPUs: its real frontend and its mocker, found through files, timed by our step times.

Render first: `dynamo_plan` is pure but for the files it names; `prepare` writes those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simkit.core.deployment import Pool
from simkit.engines.support import mocked_as
from simkit.io.processes import Launch
from simkit.io.tokenizer import write_model
from simkit.targets.local.service import ServicePlan, free_port

Role = Literal["aggregated", "prefill", "decode"]
SERVED_NAME = "simkit-mock"
# A mocker finds its way by these; a proxy must not stand between processes of one machine.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class MockPool:
    """One pool of mocked engines: how many, their settings, step times, and room in the cache.

    step_times is the content of an npz as `adapters.planner_files.mocker_npz` makes it; None keeps the
    mocker's own constants. kv_blocks is per attention rank; None keeps the mocker's default.
    """

    role: Role
    pool: Pool
    step_times: bytes | None = None
    kv_blocks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoLocal:
    """A whole local deployment: pools, how the frontend routes, where files and logs go."""

    python: Path
    folder: Path
    pools: tuple[MockPool, ...]
    kv_router: bool = False
    max_tokens: int = 131_072
    transfer_gb_per_s: float | None = None
    kv_bytes_per_token: int | None = None
    speedup: float = 1.0


def prepare(local: DynamoLocal) -> None:
    """Write what the processes read: a model folder, the step times of each pool."""
    write_model(_model(local), local.max_tokens)
    _kv(local).mkdir(parents=True, exist_ok=True)
    for pool in local.pools:
        if pool.step_times is not None:
            _npz(local, pool).write_bytes(pool.step_times)


def dynamo_plan(local: DynamoLocal, port: int, environ: Mapping[str, str]) -> ServicePlan:
    """The processes that serve on `port`: one mocker per pool, then the frontend."""
    env = {name: value for name, value in environ.items() if name in _PASSED_ON}
    env |= {"DYN_FILE_KV": str(_kv(local)), "HF_HUB_OFFLINE": "1", "NO_PROXY": "*"}
    launches = {
        f"mocker-{pool.role}": _launch(local, _mocker(local, pool), f"mocker-{pool.role}", env)
        for pool in local.pools
    }
    launches["frontend"] = _launch(local, _frontend(local, port), "frontend", env)
    return ServicePlan(
        launches=launches,
        url=f"http://127.0.0.1:{port}",
        model=SERVED_NAME,
        instances=sum(pool.pool.replicas for pool in local.pools),
    )


def _launch(local: DynamoLocal, words: Sequence[str], name: str, env: Mapping[str, str]) -> Launch:
    files = (_kv(local), _model(local)) if name == "frontend" else ()
    return Launch(
        command=[str(local.python), "-m", *words],
        log=local.folder / "logs" / f"{name}.log",
        env=env,
        folders=files,
    )


def _mocker(local: DynamoLocal, pool: MockPool) -> list[str]:
    engine, ranks = pool.pool.engine, pool.pool.plan.attn_dp * pool.pool.plan.pp
    words = [
        "dynamo.mocker",
        *("--model-path", str(_model(local)), "--model-name", SERVED_NAME),
        *("--discovery-backend", "file"),
        *("--num-workers", str(pool.pool.replicas)),
        *("--speedup-ratio", f"{local.speedup:g}"),
        *("--max-num-seqs", str(engine.max_num_seqs)),
        *("--max-num-batched-tokens", str(engine.max_num_batched_tokens)),
        *("--block-size", str(engine.kv_block_tokens)),
    ]
    words += ["--engine-type", mocked_as(engine.backend)]
    if not engine.prefix_caching:
        words.append("--no-enable-prefix-caching")
    if ranks > 1:
        words += ["--data-parallel-size", str(ranks)]
    if pool.kv_blocks is not None:
        words += ["--num-gpu-blocks-override", str(pool.kv_blocks)]
    if pool.step_times is not None:
        words += ["--planner-profile-data", str(_npz(local, pool))]
    return words + _role_words(local, pool)


def _role_words(local: DynamoLocal, pool: MockPool) -> list[str]:
    """A prefill engine is met by decode engines at ports of its own."""
    if pool.role == "aggregated":
        return []
    words = ["--disaggregation-mode", pool.role]
    if pool.role == "prefill":
        ports = ",".join(str(free_port()) for _ in range(pool.pool.replicas))
        words += ["--bootstrap-ports", ports]
    elif local.transfer_gb_per_s is not None:
        words += ["--kv-transfer-bandwidth", f"{local.transfer_gb_per_s:g}"]
    if local.kv_bytes_per_token is not None:
        words += ["--kv-bytes-per-token", str(local.kv_bytes_per_token)]
    return words


def _frontend(local: DynamoLocal, port: int) -> list[str]:
    words = ["dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", str(port)]
    words += ["--discovery-backend", "file"]
    return [*words, "--router-mode", "kv"] if local.kv_router else words


def _model(local: DynamoLocal) -> Path:
    return local.folder / ".simkit-model"


def _kv(local: DynamoLocal) -> Path:
    return local.folder / ".simkit-kv"


def _npz(local: DynamoLocal, pool: MockPool) -> Path:
    return local.folder / f"step-times-{pool.role}.npz"
