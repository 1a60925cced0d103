"""Formats of traces: Azure's and BurstGPT's CSV, Mooncake's JSON lines."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from simkit.formats.traces.entries import Entry, seconds, shown, tokens

# --- Traces as CSV: Azure's and BurstGPT's, which differ in their columns only.
# Azure LLM inference traces (github.com/Azure/AzurePublicDataset): TIMESTAMP (date and time),
# ContextTokens, GeneratedTokens. BurstGPT (github.com/HPMLL/BurstGPT): Timestamp [s], Request tokens,
# Response tokens; a response of 0 tokens is a request that failed there.


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFormat:
    """Names of the columns and how a time is written; zero_output_failed: 0 output tokens is a failure."""

    columns: tuple[str, str, str]
    time_s: Callable[[str, str], float]
    zero_output_failed: bool = False

    def matches(self, first: bytes) -> bool:
        """Whether a file that begins with this line has this format."""
        try:
            return set(self.columns) <= set(cells(first))
        except ValueError:
            return False


def cells(line: bytes) -> list[str]:
    """The fields of one line, blanks around them removed; ValueError where it is no CSV."""
    try:
        return [cell.strip() for cell in next(csv.reader([line.decode()], strict=True), [])]
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise ValueError(f"not CSV ({error})") from error


class CsvReader:
    """Reads lines below a header."""

    def __init__(self, form: CsvFormat, header: bytes) -> None:
        self._form = form
        names = cells(header)
        self._width = len(names)
        self._places = [names.index(name) for name in form.columns]

    def entry(self, line: bytes) -> Entry | None:
        """The request on this line, None for one that failed; ValueError says why there is none."""
        row = cells(line)
        if len(row) != self._width:
            raise ValueError(f"expected {self._width} columns, got {len(row)}")
        when, isl, osl = (row[place] for place in self._places)
        if self._form.zero_output_failed and osl == "0":
            return None
        time_name, isl_name, osl_name = self._form.columns
        return Entry(self._form.time_s(time_name, when), _tokens(isl_name, isl), _tokens(osl_name, osl))


def _tokens(name: str, text: str) -> int:
    return tokens(name, int(text) if text.isdecimal() and len(text) < 20 else text)


def _date_s(name: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name} must be a date and time, got {shown(text)}") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH).total_seconds()


def _number_s(name: str, text: str) -> float:
    try:
        value: object = float(text)
    except ValueError:
        value = text
    return seconds(name, value)


AZURE = CsvFormat(columns=("TIMESTAMP", "ContextTokens", "GeneratedTokens"), time_s=_date_s)
BURSTGPT = CsvFormat(
    columns=("Timestamp", "Request tokens", "Response tokens"), time_s=_number_s, zero_output_failed=True
)


# --- Mooncake traces: a JSON object a line.
# timestamp [ms], input_length, output_length [tokens] and hash_ids, one for each block of the prompt (512
# tokens in the published traces). Equal ids mean equal content from the prompt's start to the block's end.
# Format: github.com/kvcache-ai/Mooncake, FAST25-release/traces. Two relatives differ: Alibaba's Bailian
# traces (chat_id, parent_chat_id, turn) count time in seconds and blocks of 16 tokens; in AIPerf's multi-turn
# files a line with session_id and delay [ms] follows the answer to the line before it of that session.


_KEYS = ("timestamp", "input_length", "output_length")


def _time_unit_s(record: dict[str, object]) -> float:
    """Seconds where the line is one of Bailian's, else milliseconds."""
    return 1.0 if "chat_id" in record and "parent_chat_id" in record else 1e-3


def matches(first: bytes) -> bool:
    """Whether a file that begins with this line has this format."""
    return first.startswith(b"{")


class MooncakeReader:
    """Reads lines of prompts cut into blocks of block_tokens."""

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._decode = json.JSONDecoder(parse_constant=_no_constant).decode

    def entry(self, line: bytes) -> Entry:
        """The request on this line; ValueError says why there is none."""
        try:
            record = self._decode(line.decode())
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 text (byte {error.start})") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON ({error.msg} at character {error.pos + 1})") from error
        if not isinstance(record, dict):
            raise ValueError(f"expected a JSON object, got {shown(record)}")
        later = "delay" in record and "session_id" in record and "timestamp" not in record
        missing = [name for name in (_KEYS[1:] if later else _KEYS) if name not in record]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing")
        isl = tokens("input_length", record["input_length"])
        session = record.get("session_id")
        return Entry(
            0.0 if later else seconds("timestamp", record["timestamp"], _time_unit_s(record)),
            isl,
            tokens("output_length", record["output_length"]),
            self._blocks(record.get("hash_ids"), isl),
            None if session is None else str(session),
            seconds("delay", record["delay"], 1e-3) if later else None,
        )

    def _blocks(self, ids: object, isl: int) -> list[int] | None:
        if ids is None:
            return None
        if not isinstance(ids, list) or not set(map(type, ids)) <= {int}:
            raise ValueError(f"hash_ids must be a list of whole numbers, got {shown(ids)}")
        most = -(-isl // self._block_tokens)
        if len(ids) > most:
            raise ValueError(
                f"{len(ids)} hash_ids, but {isl} tokens are {most} blocks of {self._block_tokens} "
                "(--trace-block-tokens)"
            )
        return ids


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
