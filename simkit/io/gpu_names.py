"""From what drivers, node labels and vendors call a GPU to the catalogue's SKU."""

import re
from dataclasses import dataclass

_NOISE = frozenset({
    "nvidia", "tesla", "geforce", "amd", "instinct", "intel", "gpu", "accelerator", "oam", "ac", "shared",
    "hbm2", "hbm2e", "hbm3", "hbm3e", "tensor", "core",
})  # fmt: skip
_FORMS = frozenset({"sxm", "pcie", "nvl"})
_MEMORY = re.compile(r"^(\d+)gi?b$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One SKU or alias to try, and the memory the product name spoke of [GB]."""

    name: str
    memory_gb: float | None = None

    def accepts(self, nominal_gb: float | None) -> bool:
        """Whether a part of this nominal size can be the one that was named."""
        if self.memory_gb is None or nominal_gb is None:
            return True
        return abs(self.memory_gb - nominal_gb) <= 0.1 * nominal_gb


def normalise(name: str) -> str:
    """Lower case, one underscore between words."""
    return "_".join(_words(name))


def candidates(name: str) -> list[Candidate]:
    """What to look up, most specific first: the name itself, then with form factor and memory guessed."""
    words = [re.sub(r"^sxm\d$", "sxm", word) for word in _words(name) if word not in _NOISE]
    sizes = [match[1] for word in words if (match := _MEMORY.match(word))]
    core = "_".join(word for word in words if not _MEMORY.match(word))
    forms = [core] if _FORMS & set(words) else [core, f"{core}_sxm"]
    if "hbm3" in _words(name) and len(forms) > 1:
        forms = [f"{core}_sxm"]
    found = [Candidate(name=normalise(name))]
    for size in sizes:
        found += [Candidate(name=f"{form}_{tail}") for form in forms for tail in (size, f"{size}gb")]
    memory_gb = float(sizes[0]) if sizes else None
    return found + [Candidate(name=form, memory_gb=memory_gb) for form in forms]


def _words(name: str) -> list[str]:
    joined = re.sub(r"(\d)\s*gi?b\b", r"\1gb", name.lower())
    return [word for word in re.split(r"[^a-z0-9]+", joined) if word]
