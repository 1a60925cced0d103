"""Step times of one engine as two tables, evaluated once and interpolated while simulating."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from perfmodels.arrays import FloatArray, FloatLike
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.closed_form.engine_speed import decode_token_s, prefill_step
from simkit.closed_form.linear_steps import LinearSteps
from simkit.core.errors import InputError
from simkit.engines.engine_model import EngineModel

# Kernels change their shape of work beyond 256 rows, where step times jump.
_BATCHES = np.array(
    [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256,
     257, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048], dtype=np.float64,
)  # fmt: skip
_CONTEXTS = np.concatenate([np.linspace(16, 256, 4), 2.0 ** np.arange(9, 21, 0.5)])
_TOKENS = np.unique(np.concatenate([np.arange(1, 16), 2.0 ** np.arange(4, 15.1, 0.25), [257.0]]))
_PROMPT_CONTEXTS = np.concatenate([[1.0, 8.0], 2.0 ** np.arange(4, 9, 0.25), 2.0 ** np.arange(9, 21, 0.5)])

_PROFILE = (
    "prefill_isl", "prefill_ttft_ms", "decode_active_kv_tokens", "decode_context_length", "decode_itl",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    """Seconds of steps; linear between points, in both directions.

    decode_s [batches, contexts]: sequences that each see so many keys. prefill_s [tokens, contexts]:
    prompt tokens that each see so many keys on average. A step with both takes the decodes' time and
    stall_frac of what the prompts take beyond floor_s, as weights are read once for all.
    """

    decode_batch: FloatArray
    decode_context: FloatArray
    decode_s: FloatArray
    prefill_tokens: FloatArray
    prefill_context: FloatArray
    prefill_s: FloatArray
    stall_frac: float = 1.0
    floor_s: float = 0.0

    def __post_init__(self) -> None:
        for name, rows, places in (
            ("decode_s", self.decode_batch, self.decode_context),
            ("prefill_s", self.prefill_tokens, self.prefill_context),
        ):
            table = getattr(self, name)
            if table.shape != (len(rows), len(places)) or min(table.shape) < 2:
                raise InputError(
                    f"{name}: expected two points or more each way, a time for each; got {table.shape}"
                )
            if np.any(np.diff(rows) <= 0) or np.any(np.diff(places) <= 0):
                raise InputError(f"{name}: its grids must ascend")
            if not np.all(np.isfinite(table)) or np.any(table <= 0):
                raise InputError(f"{name}: step times must be positive and finite")

    @classmethod
    def of(cls, model: EngineModel, plan: ParallelPlan, *, max_seqs: float = 2048.0) -> "StepTable":
        """What the step-time model says for one plan, with batches up to max_seqs."""
        plans = PlanArray.of([plan])
        batch = _BATCHES[: int(np.searchsorted(_BATCHES, min(max_seqs, 2048.0))) + 1]
        batch = batch if len(batch) > 1 else _BATCHES[:2]
        rows, places = np.meshgrid(batch, _CONTEXTS, indexing="ij")
        tokens, keys = np.meshgrid(_TOKENS, _PROMPT_CONTEXTS, indexing="ij")
        # Whole prompts of n tokens see n/2 keys on average: so many of them make up a step.
        prompts = np.clip(tokens / (2.0 * keys), 1.0, None)
        return cls(
            decode_batch=batch,
            decode_context=_CONTEXTS,
            decode_s=_shaped(decode_token_s(model, plans, (rows, places)), rows),
            prefill_tokens=_TOKENS,
            prefill_context=_PROMPT_CONTEXTS,
            prefill_s=_shaped(prefill_step(model, plans, (tokens, keys, prompts)).total_s, tokens),
            stall_frac=model.efficiency.stall_frac,
            floor_s=float(prefill_step(model, plans, (1.0, 1.0, 1.0)).total_s[0]),
        )

    @classmethod
    def of_profile(cls, profile: Mapping[str, FloatArray], *, max_seqs: int = 2048) -> "StepTable":
        """From the arrays of a Dynamo mocker profile.

        prefill_isl and prefill_ttft_ms [points]: a prompt alone; decode_itl [kv, contexts] in ms over
        decode_active_kv_tokens and decode_context_length. A step of both takes the sum. Times are
        linear in the cached tokens, as in the mocker; beyond the profile they stay as at its edge.
        """
        missing = [name for name in _PROFILE if name not in profile]
        if missing:
            raise InputError(f"mocker profile: no {missing[0]}; expected {', '.join(_PROFILE)}")
        isl, ttft, active, context, itl = (np.asarray(profile[name], dtype=np.float64) for name in _PROFILE)
        batch = np.unique(np.round(np.geomspace(1, max(max_seqs, 2), 96)))
        places = np.unique(np.concatenate([context, np.geomspace(context[0], context[-1], 64)]))
        rows, columns = np.meshgrid(batch, places, indexing="ij")
        cached = np.clip(rows * columns, active[0], active[-1])
        far = np.append(isl, 2.0 * isl[-1])
        return cls(
            decode_batch=batch,
            decode_context=np.append(places, 2.0 * places[-1]),
            decode_s=_and_edge(_at((active, context), itl * 1e-3, cached, columns)),
            prefill_tokens=far,
            prefill_context=np.array([0.0, 1e9]),
            prefill_s=np.repeat(np.append(ttft, ttft[-1])[:, None] * 1e-3, 2, axis=1),
        )

    @classmethod
    def constant(cls, *, decode_s: float, prefill_s: float, per_token_s: float = 0.0) -> "StepTable":
        """Steps that take one time whatever they hold, prompts a time per token besides."""
        ends = np.array([0.0, 1e9])
        prompts = prefill_s + per_token_s * ends
        return cls(
            decode_batch=ends,
            decode_context=ends,
            decode_s=np.full((2, 2), decode_s),
            prefill_tokens=ends,
            prefill_context=ends,
            prefill_s=np.repeat(prompts[:, None], 2, axis=1),
        )

    @classmethod
    def linear(cls, steps: LinearSteps) -> "StepTable":
        """Steps linear in sequences, in the tokens they see and in prompt tokens."""
        ends = np.array([0.0, 1e6])
        return cls(
            decode_batch=ends,
            decode_context=ends,
            decode_s=steps.decode_s(ends[:, None], ends),
            prefill_tokens=ends,
            prefill_context=ends,
            prefill_s=np.repeat((steps.step_s + steps.token_s * ends)[:, None], 2, axis=1),
            floor_s=steps.step_s,
        )

    def paced(self, *, decode: FloatLike = 1.0, prefill: float = 1.0) -> "StepTable":
        """Decode steps times `decode` (one, or [decode_batch]), steps of prompts times `prefill`."""
        factor = np.broadcast_to(np.asarray(decode, dtype=np.float64), self.decode_batch.shape)
        return replace(
            self,
            decode_s=self.decode_s * factor[:, None],
            prefill_s=self.prefill_s * prefill,
            floor_s=self.floor_s * prefill,
        )

    def decode_at(self, batch: FloatLike, context: FloatLike) -> FloatArray:
        """Interpolated decode step time; arguments broadcast [s]."""
        return _at((self.decode_batch, self.decode_context), self.decode_s, batch, context)

    def prefill_at(self, tokens: FloatLike, context: FloatLike) -> FloatArray:
        """Interpolated time of a step of prompt tokens alone; arguments broadcast [s]."""
        return _at((self.prefill_tokens, self.prefill_context), self.prefill_s, tokens, context)


def _and_edge(table: FloatArray) -> FloatArray:
    """The last column twice: beyond it nothing changes."""
    return np.concatenate([table, table[:, -1:]], axis=1)


def _shaped(values: FloatArray, like: FloatArray) -> FloatArray:
    return np.ascontiguousarray(np.broadcast_to(values, like.shape))


def _at(
    grids: tuple[FloatArray, FloatArray], table: FloatArray, row: FloatLike, place: FloatLike
) -> FloatArray:
    (i, part), (j, along) = _place(grids[0], row), _place(grids[1], place)
    below = table[i - 1, j - 1] + along * (table[i - 1, j] - table[i - 1, j - 1])
    above = table[i, j - 1] + along * (table[i, j] - table[i, j - 1])
    result: FloatArray = below + part * (above - below)
    return result


def _place(grid: FloatArray, value: FloatLike) -> tuple[np.ndarray, FloatArray]:
    right = np.clip(np.searchsorted(grid, value), 1, len(grid) - 1)
    part = (np.asarray(value, dtype=np.float64) - grid[right - 1]) / (grid[right] - grid[right - 1])
    return right, np.maximum(part, 0.0)
