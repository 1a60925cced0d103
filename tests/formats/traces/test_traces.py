"""Traces: read as they are, every fault counted and named by its line, no traceback whatever they hold."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.core.errors import InputError
from simkit.formats.traces.entries import MAX_LINE_BYTES
from simkit.formats.traces.read import TraceOptions, read_trace

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "traces"

GOOD = {"timestamp": 500, "input_length": 1025, "output_length": 7, "hash_ids": [0, 1, 2]}
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens"
BURSTGPT = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"


@pytest.fixture
def written(tmp_path):
    """Write lines (text, bytes or objects that become JSON) to a file."""

    def write(*lines, name="trace.jsonl", end="\n"):
        raw = [
            line
            if isinstance(line, bytes)
            else (line if isinstance(line, str) else json.dumps(line)).encode()
            for line in lines
        ]
        path = tmp_path / name
        content = end.encode().join(raw) + end.encode() if lines else b""
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def mooncake(**changes):
    return {**GOOD, **changes}


@pytest.mark.parametrize("name", ["trace.jsonl", "trace.jsonl.gz", "no_ending", "trace.csv"])
def test_mooncake(written, name):
    path = written(GOOD, mooncake(timestamp=2500, hash_ids=[0, 5]), mooncake(timestamp=2500.5), name=name)
    found = read_trace(path)
    assert (found.form, found.lines, found.malformed, found.reordered) == ("mooncake", 3, 0, False)
    requests = found.requests
    assert requests.arrival_s == pytest.approx([0, 2, 2.0005])  # from the first request, in seconds
    assert requests.isl_tokens.tolist() == [1025] * 3
    assert requests.osl_tokens.tolist() == [7] * 3
    assert requests.block_ids.tolist() == [0, 1, 2, 0, 5, 0, 1, 2]
    assert requests.block_starts.tolist() == [0, 3, 5, 8]
    assert requests.block_tokens == 512


def test_azure(written):
    path = written(
        AZURE,
        "2023-11-16 18:15:46.6805900,374,44",
        "2023-11-16 18:15:50.9951690,396,109",
        "2023-11-16 18:15:51.5+00:00,1,1",
        name="azure.csv",
        end="\r\n",
    )
    found = read_trace(path)
    assert found.form == "azure"
    assert found.requests.arrival_s == pytest.approx([0.0, 4.314579, 4.81941], abs=2e-6)
    assert found.requests.isl_tokens.tolist() == [374, 396, 1]
    assert found.requests.osl_tokens.tolist() == [44, 109, 1]
    assert len(found.requests.block_ids) == 0


def test_burstgpt_leaves_out_what_failed_there(written):
    path = written(
        "\ufeff" + BURSTGPT,
        "5,ChatGPT,472,18,490,Conversation log",
        '45.0,"ChatGPT",1087,0,1087,Conversation log',
        "118,GPT-4,417,276,693,API log",
        name="burst.csv",
    )
    found = read_trace(path)
    assert (found.form, found.failed, found.malformed) == ("burstgpt", 1, 0)
    assert found.requests.arrival_s.tolist() == [0.0, 113.0]
    assert found.requests.osl_tokens.tolist() == [18, 276]


def test_order_of_columns_does_not_matter(written):
    path = written("GeneratedTokens,ContextTokens,TIMESTAMP", "44,374,2023-11-16 18:15:46", name="a.csv")
    assert read_trace(path).requests.isl_tokens.tolist() == [374]


def test_a_trace_out_of_order_is_sorted_and_says_so(written):
    path = written(
        mooncake(timestamp=900, input_length=3, hash_ids=[7]),
        GOOD,
        mooncake(timestamp=900, input_length=4, hash_ids=[9]),
    )
    found = read_trace(path)
    assert found.reordered
    assert found.requests.isl_tokens.tolist() == [1025, 3, 4]
    assert found.requests.block_ids.tolist() == [0, 1, 2, 7, 9]


def test_window_limit_and_speed(written):
    path = written(*(mooncake(timestamp=1000 * second) for second in range(10, 20)))
    options = TraceOptions(start_s=2, end_s=8, limit=4, speedup=2)
    assert read_trace(path, options).requests.arrival_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert len(read_trace(path, TraceOptions(start_s=2, end_s=8)).requests) == 6
    assert read_trace(path, TraceOptions(speedup=0.5)).requests.arrival_s[-1] == 18.0
    with pytest.raises(InputError, match="lasts 9 s"):
        read_trace(path, TraceOptions(start_s=50))


def test_blocks_of_another_size(written):
    path = written(mooncake(input_length=48))
    assert read_trace(path, TraceOptions(block_tokens=16)).requests.block_tokens == 16
    with pytest.raises(
        InputError, match=r"3 hash_ids, but 48 tokens are 1 blocks of 512.*--trace-block-tokens"
    ):
        read_trace(path)


def test_hashes_beyond_64_bits_are_numbered(written):
    path = written(mooncake(hash_ids=[2**64 + 5, 2**70]), mooncake(hash_ids=[2**64 + 5, 3]))
    assert read_trace(path).requests.block_ids.tolist() == [0, 1, 0, 2]
    path = written(mooncake(hash_ids=[-8, 4]), mooncake(hash_ids=[4]))
    assert read_trace(path).requests.block_ids.tolist() == [0, 1, 1]


BAD_LINES = [
    ("not json", "not JSON"),
    ('{"timestamp": 1', "not JSON"),
    ("[1, 2]", "expected a JSON object"),
    ("{}", "timestamp and input_length and output_length missing"),
    ({"timestamp": 1, "input_length": 5}, "output_length missing"),
    (mooncake(input_length=0), "input_length must be a whole number from 1"),
    (mooncake(input_length=-5), "got -5"),
    (mooncake(input_length=5.0), "got 5.0"),
    (mooncake(input_length=True), "got True"),
    (mooncake(output_length="7"), "got '7'"),
    (mooncake(output_length=None), "got None"),
    (mooncake(output_length=10**30), "from 1 to 1,000,000,000"),
    (mooncake(timestamp=-1), "timestamp must be a number from 0"),
    (mooncake(timestamp="now"), "timestamp"),
    (mooncake(timestamp=1e300), "timestamp"),
    (mooncake(timestamp=10**400), "timestamp"),
    (mooncake(timestamp=False), "timestamp"),
    ('{"timestamp": NaN, "input_length": 1, "output_length": 1}', "NaN"),
    ('{"timestamp": -Infinity, "input_length": 1, "output_length": 1}', "Infinity"),
    ('{"timestamp": 1e999, "input_length": 1, "output_length": 1}', "timestamp"),
    ('{"timestamp": ' + "9" * 5000 + ', "input_length": 1, "output_length": 1}', ""),
    (mooncake(hash_ids="0,1"), "hash_ids must be a list"),
    (mooncake(hash_ids=[0, 1.5]), "hash_ids must be a list of whole numbers"),
    (mooncake(hash_ids=[0, None]), "hash_ids"),
    (mooncake(hash_ids=[True]), "hash_ids"),
    (mooncake(hash_ids=list(range(4))), "4 hash_ids, but 1025 tokens are 3 blocks"),
    (b"\xff\xfe{}", "not UTF-8"),
    (b'{"timestamp": 1\x00}', "not JSON"),
    ("[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("line", "says"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_malformed_line_is_left_out_and_named(written, line, says):
    found = read_trace(written(GOOD, "", line, GOOD))
    assert (found.lines, found.malformed, len(found.requests)) == (3, 1, 2)
    assert found.faults[0].line == 3  # as an editor counts, blank lines included
    assert says in found.faults[0].problem
    assert len(found.fault_lines[0]) < 200


CSV_LINES = [
    "2023-11-16 18:15:46,374",
    "2023-11-16 18:15:46,374,44,1",
    "yesterday,374,44",
    "2023-13-16 18:15:46,374,44",
    "2023-11-16 18:15:46,-3,44",
    "2023-11-16 18:15:46,3.5,44",
    "2023-11-16 18:15:46,nan,44",
    "2023-11-16 18:15:46,,44",
    "2023-11-16 18:15:46,374,0",
    "2023-11-16 18:15:46," + "9" * 5000 + ",1",
    '"2023-11-16 18:15:46,374,44',
    b"\xff,1,2",
]


@pytest.mark.parametrize("line", CSV_LINES, ids=range(len(CSV_LINES)))
def test_a_malformed_row_is_left_out_and_named(written, line):
    found = read_trace(written(AZURE, line, "2023-11-16 18:15:46,374,44", name="azure.csv"))
    assert (found.malformed, len(found.requests), found.faults[0].line) == (1, 1, 2)


@pytest.mark.parametrize("when", ["nan", "inf", "-1", "", "1e300", "soon"])
def test_times_of_burstgpt_are_checked(written, when):
    rows = (f"{when},ChatGPT,472,18,490,log", "5,ChatGPT,472,18,490,log")
    assert read_trace(written(BURSTGPT, *rows, name="b.csv")).malformed == 1


def test_only_the_first_faults_are_told(written):
    found = read_trace(written(GOOD, *["{}"] * 40))
    assert found.malformed == 40
    assert len(found.fault_lines) == 6
    assert found.fault_lines[0].startswith("line 2 left out")
    assert found.fault_lines[-1] == "and 35 more malformed lines"


def test_an_endless_line_is_one_fault(written):
    found = read_trace(written(GOOD, b"{" * (MAX_LINE_BYTES * 2 + 5), GOOD))
    assert (found.lines, found.malformed, found.faults[0].line) == (3, 1, 2)
    assert "longer than 16 MiB" in found.faults[0].problem


@pytest.mark.parametrize(
    ("lines", "name", "says"),
    [
        ((), "trace.jsonl", "is empty"),
        (("", "  ", ""), "trace.jsonl", "is empty"),
        (("{}", "junk"), "trace.jsonl", r"2 lines of a mooncake trace, none a request \(line 1: timestamp"),
        ((AZURE,), "a.csv", "0 lines of a azure trace, none a request"),
        ((AZURE, "x,y,z"), "a.csv", r"none a request \(line 2: TIMESTAMP"),
        (("a,b,c", "1,2,3"), "a.csv", "line 1 begins no known trace.*ContextTokens"),
        ((b"\x00\x01\x02",), "a.bin", "begins no known trace"),
        (("junk", "junk"), "t.jsonl", "not JSON"),
    ],
)
def test_a_file_without_a_request_is_an_error(written, lines, name, says):
    with pytest.raises(InputError, match=says):
        read_trace(written(*lines, name=name))


def test_a_format_that_was_asked_for_must_be_there(written):
    with pytest.raises(InputError, match="begins no azure trace"):
        read_trace(written(GOOD), TraceOptions(form="azure"))
    with pytest.raises(InputError, match="did you mean azure"):
        TraceOptions(form="azur")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"absent.jsonl: cannot be read \(No such file"):
        read_trace(tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path)


@pytest.mark.parametrize("keep", [3, 40, 400])
def test_gzip_data_that_breaks_off(tmp_path, keep):
    rows = "\n".join(json.dumps(mooncake(timestamp=i, output_length=i % 97 + 1)) for i in range(500))
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(gzip.compress(rows.encode())[:keep])
    with pytest.raises(InputError, match="breaks off or is damaged after line"):
        read_trace(path)


def test_gzip_data_that_is_damaged(tmp_path):
    path = tmp_path / "trace.jsonl.gz"
    raw = bytearray(gzip.compress(json.dumps(GOOD).encode() * 50))
    raw[20:40] = b"\x55" * 20
    path.write_bytes(bytes(raw))
    with pytest.raises(InputError, match="damaged"):
        read_trace(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, json_values)) | json_values, max_size=6)
)
def test_no_json_is_a_traceback(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("traces") / "trace.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in [*records, GOOD]))
    found = read_trace(path)
    assert found.lines == len(records) + 1
    assert found.malformed == found.lines - len(found.requests)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("traces") / "trace"
    for before in (b"", (AZURE + "\n").encode(), (BURSTGPT + "\n").encode(), b"\x1f\x8b"):
        path.write_bytes(before + content)
        try:
            assert len(read_trace(path).requests) > 0
        except InputError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"speedup": 0},
        {"speedup": float("nan")},
        {"start_s": 5, "end_s": 5},
        {"start_s": -1},
        {"limit": 0},
        {"block_tokens": 0},
    ],
)
def test_options_that_make_no_sense(options):
    with pytest.raises(InputError):
        TraceOptions(**options)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there: no published traces to read")
@pytest.mark.parametrize(
    ("name", "form", "rows", "seconds"),
    [
        ("mooncake_conversation.jsonl.gz", "mooncake", 12_031, 3537),
        ("azure2023_conv.csv", "azure", 19_366, 3502),
        ("azure2023_code.csv", "azure", 8_819, 3436),
    ],
)
def test_published_traces(name, form, rows, seconds):
    found = read_trace(SHARED / name)
    assert (found.form, found.malformed, len(found.requests)) == (form, 0, rows)
    assert found.requests.arrival_s[-1] == pytest.approx(seconds, abs=1)
    if form == "mooncake":
        blocks = np.diff(found.requests.block_starts)
        assert np.array_equal(blocks, -(-found.requests.isl_tokens // 512))
