"""Changes to the words of a command or script."""

import random
import re

from faults.mutations.documents import HOSTILE_TEXTS

PIECES = (
    *HOSTILE_TEXTS, "'", '"', "\\\n", "$(", "${", "}", "<<EOF\n", "&&", "|", "#", "=", "--", "-tp", "-tp 0",
    "--tensor-parallel-size=9999999999999999999", "--max-num-seqs=-1", "{", "[", "if true; then", "done",
    "-dp 3", "--config x.yaml", "--kv-cache-dtype fp8", "docker run", "exec", "for i in 1 2; do",
)  # fmt: skip


def mutated_words(text: str, rng: random.Random) -> str:
    """A shell text with words left out, doubled, moved or damaged."""
    words = re.split(r"(\s+)", text)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        where = rng.randrange(len(words))
        choice = rng.randrange(5)
        if choice == 0:
            words[where] = ""
        elif choice == 1:
            words[where] += rng.choice(PIECES)
        elif choice == 2:
            words[where] = rng.choice(PIECES)
        elif choice == 3:
            words[where], other = words[rng.randrange(len(words))], words[where]
            words[rng.randrange(len(words))] = other
        else:
            word = words[where]
            cut = rng.randrange(len(word) + 1)
            words[where] = (
                word[:cut] + word[cut + rng.randrange(2) :] + rng.choice(("", "9", "-", "=", "\x00"))
            )
    return "".join(words)
