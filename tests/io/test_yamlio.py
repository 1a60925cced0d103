"""YAML in and out: what is refused and where, what is written and how."""

import stat
from pathlib import Path

import pytest

from simkit.core.errors import InputError
from simkit.io.yamlio import (
    MOST_TEXT,
    dump_yaml,
    load_document,
    load_documents,
    parse_document,
    parse_documents,
    parse_scalar,
    write_text_atomic,
)


def test_documents_come_in_order_and_empty_ones_are_left_out():
    assert parse_documents("a: 1\n---\n---\nb: [2]\n", "f.yaml") == [{"a": 1}, {"b": [2]}]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3", "'a' is given twice (first on line 1)"),
        ("x:\n  - {k: 1, k: 2}\n", "f.yaml:2", "'k' is given twice"),
        ("a: 1\n b: 2\n", "f.yaml:2", "not valid YAML"),
        ("a:\n\t- 1\n", "f.yaml:2", "not valid YAML"),
        ("a: !!python/object:os.system x\n", "f.yaml:1", "could not determine a constructor"),
        ("a: &a [*a]\n", "f.yaml:1", "anchor contains itself"),
        ("a: " + "[" * 150 + "]" * 150, "f.yaml:1", "nested deeper than 100"),
        ("a: &a 1\nb: [" + ", ".join(["*a"] * 1001) + "]\n", "f.yaml:2", "over 1000 aliases"),
    ],
)
def test_what_is_refused_says_where(text, where, what):
    with pytest.raises(InputError) as caught:
        parse_documents(text, "f.yaml")
    message = str(caught.value)
    assert message.startswith(where + ": ")
    assert what in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["a: " + "9" * 5000, "a: !!int many", "a: !!float much"])
def test_a_number_that_is_none_is_refused_in_one_line(text):
    with pytest.raises(
        InputError, match=r"^f\.yaml: holds a value that cannot be read \([^;]+\); correct it$"
    ):
        parse_documents(text, "f.yaml")


def test_an_alias_bomb_is_refused_before_it_is_written_out():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    # Ten times as many values per level: 10^9 in the end, from 80 aliases.
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InputError, match="aliases expand to over 1000000 values"):
        parse_documents("\n".join(lines), "f.yaml")


def test_a_shared_anchor_is_fine():
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n"
    assert parse_document(text, "f.yaml") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: 1\n" * (MOST_TEXT // 5 + 1))
    with pytest.raises(InputError, match="more than 5 MB"):
        load_documents(path)


def test_scalars_are_read_as_kubernetes_reads_them():
    document = parse_document("a: 1e3\nb: 2024-01-01\nc: 1.5\nd: yes\n", "f.yaml")
    assert document == {"a": 1000.0, "b": "2024-01-01", "c": 1.5, "d": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [("300", 300), ("1.5", 1.5), ("true", True), ("null", None), ("", None), ("{}", {}), ("[a]", ["a"])],
)
def test_scalar(text, value):
    assert parse_scalar(text) == value


@pytest.mark.parametrize("text", ["", "a: 1\n---\nb: 2\n"])
def test_one_document_is_expected(text):
    with pytest.raises(InputError, match="expected one YAML document"):
        parse_document(text, "f.yaml")


def test_a_list_at_the_top_is_refused():
    with pytest.raises(InputError, match="expected a mapping of keys at the top, found list"):
        parse_document("- a\n", "f.yaml")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        load_document(tmp_path / "absent.yaml")


def test_dump_keeps_order_quotes_what_would_change_and_shows_lines():
    document = {"z": "4", "a": ["1e3", "on", 4], "text": "one\ntwo\n", "t": ("x",), "empty": {}}
    text = dump_yaml(document)
    assert text == ("z: '4'\na:\n- '1e3'\n- 'on'\n- 4\ntext: |\n  one\n  two\nt:\n- x\nempty: {}\n")
    assert parse_document(text, "f") == {**document, "t": ["x"]}


def test_dump_of_several_documents_round_trips_without_aliases():
    shared = {"k": [1, 2]}
    text = dump_yaml([{"a": shared}, {"b": shared, "c": shared}])
    assert text.count("---\n") == 2
    assert "&" not in text
    assert parse_documents(text, "f") == [{"a": shared}, {"b": shared, "c": shared}]


def test_write_replaces_the_whole_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "new" / "out.yaml"
    write_text_atomic(path, "first\n")
    path.chmod(0o600)
    write_text_atomic(path, "second\n")
    assert path.read_text() == "second\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["out.yaml"]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text_atomic(tmp_path / "a.yaml", "a: 1\n")
    assert list(tmp_path.iterdir()) == []


def test_write_to_an_impossible_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_text_atomic(tmp_path / "file" / "out.yaml", "x")


def test_a_source_without_end_is_refused():
    with pytest.raises(InputError, match="more than 5 MB"):
        load_documents("/dev/zero")
