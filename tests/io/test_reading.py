"""The one way files are read: bounds, pipes and devices, depth, numbers, text, tables."""

import io
import os
import threading
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simkit.core.errors import InputError
from simkit.io import frames, reading
from simkit.io.frames import read_arrays, read_frame
from simkit.io.reading import (
    Bounds,
    parse_json,
    read_bytes,
    read_json,
    read_json_object,
    read_lines,
    read_text,
)

SMALL = Bounds(most=1000, remedy="cut it")
LAX = Bounds(remedy="repeat it", strict=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not valid JSON"),
        ('{"a": 1,\n "b": }', r"f:2: not valid JSON .*column"),
        ("[" * 101 + "]" * 101, "nested deeper than 100"),
        ("[" * 100_000 + "]" * 100_000, "nested deeper than 100"),
        ('{"a": NaN}', "holds nan, which is no number"),
        ('{"a": [1e999]}', "holds inf, which is no number"),
        ('{"a": 1' + "0" * 400 + "}", "a number beyond 1e300"),
        ('{"a": ' + "9" * 5000 + "}", "not usable JSON"),
        ('{"a": 1, "a": 2}', "key 'a' is given twice"),
        ('{"a": "\\ud800"}', "half of a character"),
        ('{"\\ud800": 1}', "half of a character"),
    ],
)
def test_json_that_no_reader_could_work_with_is_refused(text, told):
    with pytest.raises(InputError, match=told) as found:
        parse_json(text, "f", SMALL)
    assert str(found.value).endswith("; cut it")
    assert "\n" not in str(found.value)


def test_other_tools_may_write_infinity_and_repeat_keys():
    assert parse_json('{"rate": Infinity, "a": 1, "a": 2}', "f", LAX)["a"] == 2


def test_json_is_read_with_a_mark_of_its_byte_order(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": "\\u00e9"}\r\n')
    assert read_json(tmp_path / "a.json") == {"a": "é"}
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(InputError, match="expected a JSON object, got a list"):
        read_json_object(tmp_path / "b.json")


def test_depth_is_counted_in_values_too():
    assert parse_json("[" * 100 + "]" * 100, "f")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/dev/zero", "more than 5 MB"),
        ("/", "Is a directory"),
        ("/no/such", "No such file"),
        ("a\0b", "null byte"),
        ("/proc/self/mem", "cannot be read"),
    ],
)
def test_what_is_no_file_is_told_in_one_line(path, told):
    from pathlib import Path

    with pytest.raises(InputError, match=told):
        read_text(Path(path))


def test_a_file_larger_than_its_bound_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1001)
    with pytest.raises(InputError, match="more than 0 MB, which no such file has; cut it"):
        read_bytes(tmp_path / "a", SMALL)
    assert len(read_bytes(tmp_path / "a", Bounds(most=1001))) == 1001


def test_text_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"ok \xff")
    with pytest.raises(InputError, match=r"not UTF-8 text \(byte 3\)"):
        read_text(tmp_path / "a")


def test_a_pipe_is_read_and_a_silent_one_given_up(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(reading, "_SILENCE_S", 0.2)
    with pytest.raises(InputError, match=r"nothing came through this pipe for 0\.2 s"):
        read_text(tmp_path / "pipe")
    monkeypatch.setattr(reading, "_SILENCE_S", 10.0)
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text('{"a": 1}'))
    writer.start()
    assert read_json(tmp_path / "pipe") == {"a": 1}
    writer.join()


def test_lines_are_cut_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_LINE", 8)
    (tmp_path / "a").write_bytes(b"one\n" + b"x" * 30 + b"\nlast")
    assert list(read_lines(tmp_path / "a", SMALL)) == [b"one\n", b"x" * 8, b"last"]
    (tmp_path / "b").write_bytes(b"one\n" * 300)
    with pytest.raises(InputError, match="more than 0 MB; cut it"):
        list(read_lines(tmp_path / "b", SMALL))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a readable csv table"),
        (b"a,b,a\n1,2,3\n", "column 'a' is given twice"),
        (b"a,b\n1,2,3\n4,5,6\n", "not a readable csv table"),
        (b"a,b\n1,2\n1,2,3\n", "not a readable csv table"),
        (b'a,b\n"1,2\n', "not a readable csv table"),
        (b"a\n\xff\n", "not UTF-8"),
    ],
)
def test_a_damaged_csv_is_told(tmp_path, content, told):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=told) as found:
        read_frame(tmp_path / "a.csv", "write it again")
    assert str(found.value).endswith(("write it again", "save it as UTF-8"))


def test_a_csv_with_a_mark_and_short_rows_is_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n3\r\n")
    assert list(read_frame(tmp_path / "a.csv", "")["a"]) == [1, 3]


def test_a_damaged_parquet_is_told(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": [1, 2]}).to_parquet(path)
    good = path.read_bytes()
    for content in (b"", good[:-20], good[:40] + b"\xff" * 40 + good[80:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a readable parquet table"):
            read_frame(path, "write it again")
    pq.write_table(pa.table({"a": [[1], [2]]}), path)
    with pytest.raises(InputError, match="column a holds list"):
        read_frame(path, "write it again")
    monkeypatch.setattr(frames, "MOST_CELLS", 1)
    path.write_bytes(good)
    with pytest.raises(InputError, match="2 rows are more than any table has"):
        read_frame(path, "write it again")


def test_damaged_arrays_are_told(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(3), b=np.array("x"))
    assert list(read_arrays(path, "fit it again")["a"]) == [0, 1, 2]
    good = path.read_bytes()
    for content in (b"", good[:60], good[: len(good) // 2] + b"\xff" * 40):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"no readable arrays .*fit it again"):
            read_arrays(path, "fit it again")
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="allow_pickle"):
        read_arrays(path, "fit it again")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * 2_000_000)
    path.write_bytes(bomb.getvalue())
    monkeypatch.setattr(frames, "MOST_TABLE", 100_000)
    with pytest.raises(InputError, match="unpacks to more"):
        read_arrays(path, "fit it again")
