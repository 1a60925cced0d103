"""One damaged version of a valid file: its tree, its cells, its text or its bytes changed."""

import csv
import io
import json
import random
from collections.abc import Callable
from typing import Any

from faults.mutations.documents import HOSTILE_NUMBERS, HOSTILE_TEXTS, mutate, mutate_text
from faults.mutations.words import mutated_words

BYTES_SHARE = 0.12
_CELLS = (
    *HOSTILE_TEXTS, "auto", "nan", "inf", "-inf", "1e308", "-1", "0", "1e-320", "9" * 400,
    "=cmd|' /C calc'!A0", "1,5", "1.5", "TRUE", '"', "\ud800",
)  # fmt: skip
_DEEP = (200, 5_000, 100_000)


def damaged(content: bytes, form: str, rng: random.Random) -> bytes:
    """The content with one to four changes; the same generator state gives the same bytes."""
    if rng.random() < BYTES_SHARE:
        return _bytes(content, rng)
    try:
        return _FORMS[form](content, rng)
    except (ValueError, RecursionError):  # damaged twice, the first time beyond what this can take apart
        return _bytes(content, rng)


def _bytes(content: bytes, rng: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        where = rng.randrange(len(found) + 1)
        choice = rng.randrange(6)
        if choice == 0 and found:
            found[where % len(found)] ^= 1 << rng.randrange(8)
        elif choice == 1:
            del found[where:]
        elif choice == 2:
            found[where:where] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 64))))
        elif choice == 3:
            del found[where : where + rng.choice((1, 16, 256))]
        elif choice == 4:
            found[where:where] = found[where : where + rng.choice((1, 40, 400))]
        else:
            found[where:where] = rng.choice((b"\xff\xfe", b"\x00", b"\xef\xbb\xbf", b"\r", b"\xed\xa0\x80"))
    return bytes(found)


def _tree(value: Any, rng: random.Random) -> Any:
    changed = mutate({"root": value}, rng)
    return changed.get("root", rng.choice([None, [], {}, "", 1, *changed.values()]))


def _json(content: bytes, rng: random.Random) -> bytes:
    text = json.dumps(_tree(json.loads(content), rng))
    choice = rng.random()
    if choice < 0.03:
        levels, sign = rng.choice(_DEEP), rng.choice(("[]", '{"a":}'))
        text = text.replace("1", sign[:-1] * levels + "1" + sign[-1] * levels, 1)
    elif choice < 0.06 and '"' in text:  # a key given twice
        name = rng.choice(text.split('"')[1::2])
        text = text.replace(f'"{name}":', f'"{name}": 7, "{name}":', 1)
    elif choice < 0.09:
        text = text.replace(rng.choice("0123456789"), rng.choice(("1e999", "\\ud800", "-", "9" * 5000)), 1)
    return text.encode("utf-8", "surrogatepass")


def _json_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    for _ in range(rng.choice((1, 1, 2, 3))):
        where = rng.randrange(len(lines))
        choice = rng.random()
        if choice < 0.7:
            lines[where] = _json(lines[where], rng) if lines[where].startswith(b"{") else b"{}"
        elif choice < 0.8:
            del lines[where]
            lines = lines or [b""]
        elif choice < 0.9:
            lines.insert(where, rng.choice((lines[where], b"", b"null", b"[]", b"{}", b"1e5", b'"a"')))
        else:
            lines[where] = _bytes(lines[where], rng)
    return b"\n".join(lines)


def _yaml(content: bytes, rng: random.Random) -> bytes:
    from simkit.io.yamlio import dump_yaml, parse_documents

    if rng.random() < 0.3:
        return mutate_text(content.decode(), rng).encode("utf-8", "surrogatepass")
    documents = parse_documents(content.decode(), "sample")
    where = rng.randrange(len(documents))
    documents[where] = _tree(documents[where], rng)
    try:
        return dump_yaml(documents).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError, RecursionError):
        return mutate_text(content.decode(), rng).encode("utf-8", "surrogatepass")


def _cell(rng: random.Random) -> str:
    return str(rng.choice(rng.choice((_CELLS, HOSTILE_NUMBERS))))


def _csv(content: bytes, rng: random.Random) -> bytes:
    rows = list(csv.reader(io.StringIO(content.decode())))
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        row, column = rng.randrange(len(rows)), rng.randrange(max(len(rows[0]), 1))
        choice = rng.randrange(9)
        if choice < 4 and column < len(rows[row]):
            rows[row][column] = _cell(rng)
        elif choice == 4:
            value = _cell(rng)
            rows = [rows[0], *([*line[:column], value, *line[column + 1 :]] for line in rows[1:])]
        elif choice == 5:
            rows = [[*line[:column], *line[column + 1 :]] for line in rows]
        elif choice == 6:
            rows = [[*line, *line[column : column + 1]] for line in rows]
        elif choice == 7:
            rows[row] = rng.choice((rows[row][:column], [*rows[row], _cell(rng)], [], rows[row] * 2))
        else:
            rows.insert(row, list(rows[rng.randrange(len(rows))]))
    written = io.StringIO()
    csv.writer(written, lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    return written.getvalue().encode("utf-8", "surrogatepass")


def _parquet(content: bytes, rng: random.Random) -> bytes:
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(content))
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not len(frame.columns):
            break
        name = rng.choice(list(frame.columns))
        choice = rng.randrange(5)
        if choice == 0:
            frame = frame.drop(columns=name)
        elif choice == 1:
            frame[name] = _cell(rng).encode("utf-8", "replace").decode()
        elif choice == 2:
            frame[name] = rng.choice((0, -1, 1e308, float("nan"), float("inf"), True, 2**62))
        elif choice == 3:
            frame = frame.rename(columns={name: rng.choice(("x", "", str(frame.columns[0]) + " "))})
        else:
            frame = frame.iloc[: rng.randrange(len(frame) + 1)]
    written = io.BytesIO()
    frame.to_parquet(written, index=False)
    return written.getvalue()


def _arrays(content: bytes, rng: random.Random) -> bytes:
    import numpy as np

    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(arrays))
        value = arrays[name]
        if name in ("meta", "index") and rng.random() < 0.8:
            raw = bytes(value.tobytes()) if name == "index" else str(value).encode()
            text = _json(raw, rng)
            arrays[name] = (
                np.frombuffer(text, dtype=np.uint8)
                if name == "index"
                else np.array(text.decode("utf-8", "replace"))
            )
        elif value.dtype.kind in "fi":
            halves = value.ravel()[: value.size // 2]
            arrays[name] = rng.choice((halves, value[None], np.array("x"), value * 0))
        else:
            arrays[name] = np.array(rng.choice((0, "x")))
        if rng.random() < 0.1 and len(arrays) > 1:
            del arrays[name]
    written = io.BytesIO()
    np.savez(written, **arrays)
    return written.getvalue()


def _words(content: bytes, rng: random.Random) -> bytes:
    return mutated_words(content.decode(), rng).encode("utf-8", "surrogatepass")


_FORMS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "json": _json, "jsonl": _json_lines, "yaml": _yaml, "csv": _csv, "parquet": _parquet, "npz": _arrays,
    "words": _words, "bytes": _bytes,
}  # fmt: skip
