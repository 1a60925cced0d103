"""The same question with something changed, and one deployment asked about alone."""

from asked_again.asking import Answer, ask_json
from asked_again.figures import Document, layout_words

_ABOUT_DEPLOYMENT = ("--backend", "--mode", "--total-gpus", "--concurrency", "--request-rate")


def without(words: list[str], *names: str) -> list[str]:
    """The words without some flags and their values."""
    pairs = zip(words[::2], words[1::2], strict=True)
    return [word for name, value in pairs if name not in names for word in (name, value)]


def instead(words: list[str], **changes: object) -> list[str]:
    """The words with flags set anew: total_gpus=8 for --total-gpus 8."""
    named = {"--" + name.replace("_", "-"): str(value) for name, value in changes.items()}
    return [*without(words, *named), *(word for pair in named.items() for word in pair)]


def value_of(words: list[str], name: str) -> str | None:
    """What follows a flag."""
    return words[words.index(name) + 1] if name in words else None


def estimated(words: list[str], candidate: Document, *, closed: bool = False) -> Answer:
    """One candidate of an answer, asked about by its layout, settings and load; closed: so many in flight."""
    rate = None if closed else value_of(words, "--request-rate")
    load = ["--request-rate", rate] if rate else ["--concurrency", candidate["concurrency"]]
    return ask_json("estimate", *without(words, *_ABOUT_DEPLOYMENT), "--backend", candidate["backend"],
                    *layout_words(candidate), *_settings(candidate), *load)  # fmt: skip


def _settings(candidate: Document) -> list[object]:
    first = candidate["engine"] if candidate["mode"] == "agg" else candidate["prefill"]["engine"]
    words = ["--max-num-seqs", first["max_num_seqs"]]
    words += ["--max-num-batched-tokens", first["max_num_batched_tokens"], "--kv-dtype", first["kv_dtype"]]
    if candidate["mode"] == "disagg":
        words += ["--decode-max-num-seqs", candidate["decode"]["engine"]["max_num_seqs"]]
    return words
