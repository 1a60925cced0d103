"""Row work of several models and GPUs put end to end, so that one engine's factors apply to all at once."""

from collections.abc import Sequence

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.parallel import PlanArray
from simkit.core.lengths import Lengths
from simkit.core.phase_work import PhaseWork, PromptWork
from simkit.core.phases import Capacity
from simkit.core.rows import PoolWork, RowWork
from simkit.core.steady import Procedure


def concat_rows(works: Sequence[RowWork]) -> RowWork:
    """One table of the rows of all, in order; the first model's engine and factors apply.

    All must have the same number of pools and an engine of one backend.
    """
    backends = {(work.model.engine.backend, len(work.pools)) for work in works}
    if len(backends) != 1:
        raise ValueError(f"rows of one engine and mode can be put together, got {sorted(backends)}")
    counts = [len(work.concurrency) for work in works]
    return RowWork(
        model=works[0].model,
        pools=tuple(_pool([work.pools[i] for work in works]) for i in range(len(works[0].pools))),
        lengths=Lengths(
            isl_tokens=_column([work.lengths.isl_tokens for work in works], counts),
            osl_tokens=_column([work.lengths.osl_tokens for work in works], counts),
        ),
        concurrency=np.concatenate([work.concurrency for work in works]),
        procedure=_procedure(works, counts),
        poll_steps=np.concatenate([work.poll_steps for work in works]),
        hold_steps=np.concatenate([work.hold_steps for work in works]),
        transfer_s=np.concatenate([work.transfer_s for work in works]),
    )


def _column(values: Sequence[FloatLike], counts: Sequence[int]) -> FloatArray:
    pairs = zip(values, counts, strict=True)
    return np.concatenate([np.broadcast_to(np.asarray(v, dtype=np.float64), count) for v, count in pairs])


def _procedure(works: Sequence[RowWork], counts: Sequence[int]) -> Procedure:
    forever = [
        np.inf if w.procedure.requests_per_slot is None else w.procedure.requests_per_slot for w in works
    ]
    return Procedure(
        requests_per_slot=_column(forever, counts),
        length_spread=_column([work.procedure.length_spread for work in works], counts),
    )


def _pool(pools: Sequence[PoolWork]) -> PoolWork:
    return PoolWork(
        plan=PlanArray.joined([pool.plan for pool in pools]),
        workers=np.concatenate([pool.workers for pool in pools]),
        work=PhaseWork(
            decode=np.concatenate([pool.work.decode for pool in pools], axis=1),
            decode_launches=np.concatenate([pool.work.decode_launches for pool in pools]),
            single=_prompts([pool.work.single for pool in pools]),
            full=_prompts([pool.work.full for pool in pools]),
            token=_prompts([pool.work.token for pool in pools]),
            per_step=np.concatenate([pool.work.per_step for pool in pools]),
        ),
        capacity=Capacity.joined([pool.capacity for pool in pools]),
        weights_share=np.concatenate([pool.weights_share for pool in pools]),
    )


def _prompts(works: Sequence[PromptWork]) -> PromptWork:
    return PromptWork(
        prompts=np.concatenate([work.prompts for work in works]),
        chunks=np.concatenate([work.chunks for work in works]),
        by_kind=np.concatenate([work.by_kind for work in works], axis=1),
        launches=np.concatenate([work.launches for work in works]),
    )
