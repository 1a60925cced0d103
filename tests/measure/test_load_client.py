"""The small load generator: what it sends, what it measures, and how it names what goes wrong."""

import re
import time

import numpy as np
import pytest
from openai_server import FAULTS, openai_server

from simkit.core.errors import ExternalError, InputError
from simkit.core.measured import Source, run_of_records
from simkit.core.workload import Workload
from simkit.io.openai_http import Endpoint, api_key, ask, endpoint_of, listing, scrape
from simkit.measure.load_client import ClientOptions, drive

pytestmark = pytest.mark.server

SOURCE = Source(tool="simkit", path="here")


def options(count=12, **more):
    return ClientOptions(request_count=count, **more)


def test_a_closed_loop_keeps_its_slots_full_and_counts_as_the_server_does():
    with openai_server() as (url, server):
        records = drive(
            Endpoint(url=url),
            "tiny",
            Workload(isl_tokens=50, osl_tokens=8, concurrency=3),
            options(warmup_count=2),
        )
    assert len(server.seen) == 14  # the warm-up is sent, and left out
    assert len(records) == 12
    assert server.most_in_flight == 3
    run = run_of_records(records, SOURCE)
    assert (run.isl_tokens, run.osl_tokens, run.num_errors) == (50.0, 8.0, 0)
    assert all(len(record.gaps_s) == 7 for record in records)


def test_times_are_the_servers_and_add_up():
    with openai_server(ttft_s=0.05, itl_s=0.01) as (url, _):
        (record,) = drive(
            Endpoint(url=url), "tiny", Workload(isl_tokens=5, osl_tokens=6, concurrency=1), options(1)
        )
    assert record.ttft_s >= 0.05
    assert record.e2e_s >= 0.05 + 5 * 0.01  # a first token that is read late shortens the gaps after it
    assert record.itl_s == pytest.approx((record.e2e_s - record.ttft_s) / 5)
    assert record.e2e_s == pytest.approx(record.ttft_s + sum(record.gaps_s))


def test_no_prompt_comes_twice_and_the_same_seed_sends_the_same():
    sent = []
    for seed in (1, 1, 2):
        with openai_server(ttft_s=0, itl_s=0) as (url, server):
            load = Workload(isl_tokens=40, osl_tokens=2, concurrency=1)
            drive(Endpoint(url=url), "tiny", load, options(20, warmup_count=5, seed=seed))
        sent.append([request["messages"][0]["content"] for request in server.seen])
    assert len(set(sent[0])) == 25
    assert sent[0] == sent[1] != sent[2]


def test_lengths_spread_below_the_nominal_ones():
    with openai_server(ttft_s=0, itl_s=0) as (url, server):
        load = Workload(isl_tokens=100, osl_tokens=10, concurrency=2, length_spread=0.2)
        drive(Endpoint(url=url), "tiny", load, options(60))
    isl = [len(request["messages"][0]["content"]) for request in server.seen]
    assert min(isl) >= 80
    assert max(isl) <= 100
    assert np.mean(isl) == pytest.approx(90, abs=3)
    assert {request["max_tokens"] for request in server.seen} <= set(range(8, 11))


def test_an_open_loop_sends_every_request_at_its_time():
    with openai_server(ttft_s=0, itl_s=0) as (url, server):
        load = Workload(isl_tokens=5, osl_tokens=2, request_rate_per_s=500)
        records = drive(Endpoint(url=url), "tiny", load, options(40))
    assert len(records) == len(server.seen) == 40
    starts = [record.start_s for record in records]
    assert starts == sorted(starts)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_survived_and_named(fault):
    begun = time.monotonic()
    with openai_server(fault=fault, after=4) as (url, server):
        load = Workload(isl_tokens=5, osl_tokens=4, concurrency=2)
        records = drive(Endpoint(url=url), "tiny", load, options(8, stall_s=0.4))
        taken_s = time.monotonic() - begun
        server.release.set()
    assert taken_s < 5.0  # two rounds of two faults at 0.4 s, on a busy machine
    failed = [record for record in records if record.error]
    assert len(records) == 8
    assert len(failed) == 4
    assert all(re.search(FAULTS[fault][1], record.error) for record in failed)
    assert run_of_records(records, SOURCE).num_errors == 4


def test_a_server_that_stops_answering_is_given_up_after_a_while():
    with openai_server(fault="500", after=30) as (url, _):
        records = drive(
            Endpoint(url=url), "tiny", Workload(isl_tokens=5, osl_tokens=4, concurrency=2), options(500)
        )
    assert len(records) < 60
    assert sum(record.error is None for record in records) == 30


def test_a_server_that_never_succeeds_is_given_up_early():
    with openai_server(fault="500") as (url, server):
        records = drive(
            Endpoint(url=url), "tiny", Workload(isl_tokens=5, osl_tokens=4, concurrency=2), options(500)
        )
    assert len(server.seen) < 20
    with pytest.raises(ExternalError, match="no request succeeded"):
        run_of_records(records, SOURCE)


def test_nobody_listening_is_an_error_per_request():
    with openai_server() as (url, _):
        pass
    records = drive(
        Endpoint(url=url), "tiny", Workload(isl_tokens=5, osl_tokens=4, concurrency=1), options(6)
    )
    assert {record.error for record in records} == {"no connection (ConnectionRefusedError)"}
    assert "cannot be reached" in listing(Endpoint(url=url)).fault


def test_a_whole_run_can_be_bounded():
    with openai_server(fault="hang", after=2) as (url, server):
        load = Workload(isl_tokens=5, osl_tokens=4, concurrency=2)
        records = drive(Endpoint(url=url), "tiny", load, options(20, total_s=0.5))
        server.release.set()
    assert any("not done after" in (record.error or "") for record in records)


def test_a_server_that_only_says_it_is_alive_ends_with_the_run():
    """Comments are signs of life, so that long queues are waited for; the whole run is what bounds them."""
    with openai_server(fault="comments") as (url, server):
        for warmup_count in (0, 3):
            more = options(20, warmup_count=warmup_count, stall_s=0.3, total_s=1.0)
            records = drive(
                Endpoint(url=url), "tiny", Workload(isl_tokens=5, osl_tokens=4, concurrency=2), more
            )
            assert [record.error for record in records] == ["not done after 1 s"]
        server.release.set()


def test_requests_of_an_open_loop_go_out_while_others_hang():
    """300 at once: no pool of connections holds any back."""
    with openai_server(fault="hang") as (url, server):
        load = Workload(isl_tokens=5, osl_tokens=4, request_rate_per_s=1000)
        records = drive(Endpoint(url=url), "tiny", load, options(300, stall_s=1.5))
        assert server.most_in_flight == 300
        server.release.set()
    assert {record.error for record in records} == {"stalled for 1.5 s"}


@pytest.mark.parametrize("page", ["slow_head", "no_http", "no_head", "slow_line"])
def test_pages_of_a_half_dead_server_are_given_up(page):
    begun = time.monotonic()
    with openai_server(page_fault=page) as (url, server):
        assert ask(Endpoint(url=url), "/health", timeout_s=0.4).fault
        assert scrape(Endpoint(url=url), timeout_s=0.4) == {}
        taken_s = time.monotonic() - begun
        server.release.set()
    assert taken_s < 4.0


def test_models_and_addresses():
    with openai_server(model="org/model") as (url, _):
        assert listing(Endpoint(url=url)).models == ("org/model",)
        assert ask(Endpoint(url=url), "/health").status == 200
    for bad in (
        "localhost:8000",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://x:0",
        "http://x\n",
        "http://[x",
    ):
        with pytest.raises(InputError, match="http://HOST:PORT"):
            endpoint_of(bad)
    with pytest.raises(InputError, match="leave out"):
        endpoint_of("http://x:8000/v1?key=secret")


def test_passwords_leave_the_address_and_are_never_shown():
    server = endpoint_of("http://anna:p%40ss@host:8000/base/")
    assert server.url == "http://host:8000/base"
    assert server.headers == {"Authorization": "Basic YW5uYTpwQHNz"}
    assert "Basic" not in repr(server)
    assert endpoint_of("http://anna:x@host:8000", "sk-1").headers == {"Authorization": "Bearer sk-1"}
    with pytest.raises(InputError) as refused:
        endpoint_of("ftp://anna:hidden@host")
    assert "hidden" not in str(refused.value)


def test_a_key_is_one_word_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-file\n")
    assert api_key(file, {"SIMKIT_API_KEY": "sk-other"}) == "sk-file"
    assert api_key(None, {"SIMKIT_API_KEY": "sk-other"}) == "sk-other"
    assert api_key(None, {}) is None
    file.write_text("two words")
    for bad in (file, tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=str(bad)) as refused:
            api_key(bad, {})
        assert "two" not in str(refused.value)


def test_a_workload_without_load_is_refused():
    with openai_server() as (url, _), pytest.raises(InputError, match="no load"):
        drive(Endpoint(url=url), "tiny", Workload(), options(1))
