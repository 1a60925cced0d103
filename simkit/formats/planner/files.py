"""The files that the Planner and the mocker read: names, arrays and units are Dynamo's."""

import io
import json
from collections.abc import Mapping

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.closed_form.planner_profile import DecodeProfile, PrefillProfile, StepTables

PREFILL_JSON = "prefill_raw_data.json"
DECODE_JSON = "decode_raw_data.json"
PREFILL_NPZ = "selected_prefill_interpolation/raw_data.npz"
DECODE_NPZ = "selected_decode_interpolation/raw_data.npz"
MOCKER_NPZ = "perf_data.npz"
_DIGITS = 6  # significant; more would pretend to an accuracy that predictions do not have


def profile_files(
    prefill: PrefillProfile, decode: DecodeProfile, tables: StepTables | None = None
) -> dict[str, bytes]:
    """File name to content, latencies in milliseconds: the folder that Planner and mocker look into.

    The JSON texts and the first two npz files say the same, and the Planner reads either; the mocker
    reads its own.
    """
    by_isl = {
        "prefill_isl": prefill.isl_tokens.astype(np.int64),
        "prefill_ttft": _rounded(prefill.ttft_s * 1e3),
        "prefill_thpt_per_gpu": _rounded(prefill.tokens_per_s_per_gpu),
    }
    by_load = {
        "x_kv_usage": _rounded(decode.kv_usage_frac),
        "y_context_length": decode.context_tokens,
        "z_itl": _rounded(decode.itl_s * 1e3),
        "z_thpt_per_gpu": _rounded(decode.output_tokens_per_s_per_gpu),
    }
    files = {
        PREFILL_JSON: _json(by_isl),
        DECODE_JSON: _json({**by_load, "max_kv_tokens": decode.max_kv_tokens}),
        PREFILL_NPZ: _npz(by_isl),
        DECODE_NPZ: _npz({**by_load, "max_kv_tokens": np.array([decode.max_kv_tokens])}),
    }
    return files if tables is None else {**files, MOCKER_NPZ: mocker_npz(tables)}


def mocker_npz(tables: StepTables) -> bytes:
    """What `dynamo.mocker --planner-profile-data` reads: five arrays of float64, times in milliseconds."""
    return _npz({
        "prefill_isl": tables.prefill_tokens,
        "prefill_ttft_ms": _rounded(tables.prefill_s * 1e3),
        "decode_active_kv_tokens": tables.active_kv_tokens,
        "decode_context_length": tables.context_tokens,
        "decode_itl": _rounded(tables.decode_s * 1e3),
    })  # fmt: skip


def _rounded(values: FloatArray) -> FloatArray:
    scale = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(values), 1e-300))))
    rounded: FloatArray = np.round(values * scale) / scale
    return rounded


def _json(content: Mapping[str, object]) -> bytes:
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in content.items()
    }
    return (json.dumps(plain) + "\n").encode()


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Uncompressed, so that every reader takes it; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
