"""Places to decode, found in runs that waited for them."""

import numpy as np
import pandas as pd
import pytest

from simkit.calibrate.slots import found_slots
from simkit.verbs.deployment_rows import complete_table

DECODES = 0.9 * 1024 - 1
ITL_MS = 10.0


def table(in_flight, decoding, **columns):
    """A run of three decode engines under the benchmark with lengths of 0.9 of the nominal ones."""
    row = {
        "model": "deepseek-ai/DeepSeek-V3", "gpu": "gb200", "backend": "trtllm", "mode": "disagg",
        "prefill_tp": 8.0, "decode_workers": 3.0, "decode_tp": 8.0, "isl_tokens": 1024, "osl_tokens": 1024,
        "concurrency": in_flight, "protocol": "inferencex", "itl_ms_mean": ITL_MS,
        "ttft_ms_mean": (in_flight / decoding - 1.0) * ITL_MS * DECODES,
    }  # fmt: skip
    return complete_table(pd.DataFrame([row | columns]))


@pytest.mark.parametrize("places", [1, 4, 16])
def test_a_power_of_two_per_rank_is_its_limit(places):
    assert found_slots(table(3 * places + 15, 3 * places * 0.99)).item() == places


def test_runs_that_others_hold_up_say_nothing():
    assert np.isnan(found_slots(table(100, 3 * 12.0)).item())  # twelve per rank: nobody sets that
    assert np.isnan(found_slots(table(48, 3 * 15.8)).item())  # nearly all in flight decode
    assert np.isnan(found_slots(table(63, 3 * 16.0, mode="agg")).item())


def test_what_the_row_states_stays():
    assert found_slots(table(63, 3 * 16.0, decode_max_num_seqs=32)).item() == 32
