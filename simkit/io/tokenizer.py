"""A tokenizer and a model folder made on the spot, for engines and clients that must not ask the network.

Byte-level BPE whose merges are letter pairs and triples in a fixed order: no training, the same files
everywhere, every text can be encoded. What the tokens mean is of no consequence; how many there are is.
"""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VOCABULARY = 8192
_LETTERS = "etaoinshrdlcumwfgypbvkjxqz"  # by frequency in English, so that ordinary text compresses
_SPACE = "Ġ"
# Messages joined without any ornament, so that a prompt of n tokens stays one of n.
_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def model_files(max_tokens: int) -> dict[str, str]:
    """File name to text of a tiny model folder: configuration and tokenizer, no weights."""
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
        "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": max_tokens,
        "bos_token_id": 0, "eos_token_id": 0, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-5,
    }  # fmt: skip
    return {
        "config.json": _json(config),
        "generation_config.json": _json({"bos_token_id": 0, "eos_token_id": 0}),
        **tokenizer_files(max_tokens),
    }


def tokenizer_files(max_tokens: int) -> dict[str, str]:
    """The tokenizer's part of the folder."""
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_tokens,
        "eos_token": "<|end|>", "bos_token": "<|end|>", "pad_token": "<|end|>",
        "chat_template": _TEMPLATE, "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    return {"tokenizer.json": _json(_tokenizer()), "tokenizer_config.json": _json(settings)}


def write_model(folder: Path, max_tokens: int = 131_072) -> Path:
    """Write the model folder and give its path."""
    return _write(folder, model_files(max_tokens))


def write_hub_cache(home: Path, name: str, files: Mapping[str, str]) -> str:
    """Lay files out as Hugging Face's cache under `home` (HF_HOME) does; gives the id to ask for.

    With HF_HUB_OFFLINE=1 that is the one form every part of AIPerf 0.13 accepts: it takes local folders
    for synthetic prompts but not for traces.
    """
    place = home / "hub" / f"models--local--{name}"
    _write(place / "refs", {"main": "0"})
    _write(place / "snapshots" / "0", files)
    return f"local/{name}"


def folder_files(folder: Path) -> dict[str, str]:
    """The text files of a tokenizer folder that belong to it."""
    return {file.name: file.read_text(encoding="utf-8") for file in _tokenizer_parts(folder)}


def _tokenizer_parts(folder: Path) -> list[Path]:
    wanted = ("config.json", "generation_config.json", "vocab.json", "merges.txt", "special_tokens_map.json")
    found = [*folder.glob("tokenizer*.json"), *(folder / name for name in wanted)]
    return sorted(file for file in found if file.is_file())


def _write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


def _tokenizer() -> dict[str, Any]:
    end = {"id": 0, "content": "<|end|>", "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    vocabulary, merges = _pieces()
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [{**end, **flags}],
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "vocab": vocabulary, "merges": merges,
        },
    }  # fmt: skip


def _pieces() -> tuple[dict[str, int], list[list[str]]]:
    """Vocabulary and merges: bytes, pairs of letters, a blank before them, then triples until it is full."""
    names = ["<|end|>", *_byte_characters()]
    starts = [*_LETTERS, _SPACE]
    pairs = [[a, b] for a, b in itertools.product(starts, _LETTERS)]
    triples = [[a + b, c] for (a, b), c in itertools.product(pairs, _LETTERS)]
    merges = [*pairs, *triples][: VOCABULARY - len(names)]
    names += ["".join(merge) for merge in merges]
    return {name: index for index, name in enumerate(names)}, merges


def _byte_characters() -> list[str]:
    """The printable stand-ins of the 256 bytes in byte-level BPE, as GPT-2 defined them."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    table = {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
    return [table[byte] for byte in range(256)]
