"""What a refusal promises: that so many GPUs are enough, and that fewer are not."""

import re
from collections.abc import Iterator

from asked_again.again import instead
from asked_again.asking import Answer, Statement, ask_json


def refusal_statements(words: list[str], answer: Answer) -> Iterator[Statement]:
    """`it takes at least 16 GPUs`: 16 run, and 15 do not."""
    text = answer.err + answer.out
    found = re.search(r"at least (\d+) GPUs?", text)
    if found is None:
        yield Statement(kind="refusal", said=text.strip(), again="", holds=True, command=answer.line)
        return
    least = int(found[1])
    for count, runs in ((least, True), (least - 1, False)):
        again = ask_json("recommend", *instead(words, total_gpus=count))
        said, found_again = f"{text.strip()} ({count})", f"exit {again.status} {again.err}"
        holds = (again.status != 2) == runs
        yield Statement(kind="refusal", said=said, again=found_again, holds=holds, command=again.line)
