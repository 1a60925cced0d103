"""Which component does what, as all components together say it; equal ones are one pool."""

from collections.abc import Sequence
from dataclasses import replace

from simkit.core.errors import InputError
from simkit.formats.dgd.workers import Worker


def by_role(workers: Sequence[Worker]) -> dict[str, Worker]:
    """One pool for each role. Raises InputError where they do not make up one deployment."""
    found: dict[str, Worker] = {}
    for worker in _with_roles(workers):
        other = found.get(worker.role)
        if other is None:
            found[worker.role] = worker
        elif _equal(other, worker):
            pool = replace(other.pool, replicas=other.pool.replicas + worker.pool.replicas)
            found[worker.role] = replace(other, pool=pool)
        else:
            raise InputError(
                f"components {other.name!r} and {worker.name!r} are both {worker.role} pools; "
                "a mixed deployment is not modelled, keep one component per role"
            )
    if len(found) == 1 and "aggregated" not in found:
        (role,) = found
        missing = "decode" if role == "prefill" else "prefill"
        raise InputError(f"a {role} pool without a {missing} pool; add one, or make it type worker")
    if len(found) > 1 and "aggregated" in found:
        names = ", ".join(worker.name for worker in workers)
        raise InputError(f"components {names} mix aggregated and disaggregated serving; keep one kind")
    return found


def _with_roles(workers: Sequence[Worker]) -> list[Worker]:
    """Roles that only all components together say.

    A decode component alone, whose command does not say decode, does both phases. Where only prefill engines
    are marked, by --disaggregation-mode or the switch before it, the plain ones beside them decode.
    """
    roles = {worker.role for worker in workers}
    if roles == {"decode"} and all(worker.said == "type" for worker in workers):
        return [replace(worker, role="aggregated") for worker in workers]
    if roles == {"prefill", "aggregated"}:
        return [replace(item, role="decode") if not item.said else item for item in workers]
    return list(workers)


def _equal(one: Worker, other: Worker) -> bool:
    def essence(worker: Worker) -> tuple[object, ...]:
        formats = (worker.kv_dtype, worker.quantization)
        return worker.pool.plan, worker.pool.engine, *formats

    return essence(one) == essence(other)
