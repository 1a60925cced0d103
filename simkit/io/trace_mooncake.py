"""Mooncake traces: a JSON object a line.

timestamp [ms], input_length, output_length [tokens] and hash_ids, one for each block of the prompt (512
tokens in the published traces). Equal ids mean equal content from the prompt's beginning to the block's end.
Format: github.com/kvcache-ai/Mooncake, FAST25-release/traces.
"""

import json

from simkit.io.trace_lines import Entry, seconds, shown, tokens

_KEYS = ("timestamp", "input_length", "output_length")


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
        missing = [name for name in _KEYS if name not in record]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing")
        isl = tokens("input_length", record["input_length"])
        return Entry(
            seconds("timestamp", record["timestamp"], 1e-3),
            isl,
            tokens("output_length", record["output_length"]),
            self._blocks(record.get("hash_ids"), isl),
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
