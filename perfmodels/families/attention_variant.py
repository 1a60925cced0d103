"""Names of the measured attention kernels: number formats, head size, window or none.

bf16/fp8/d128/full multiplies in bf16, keeps keys and values in fp8, has heads of 128 and sees every key.
"""

from dataclasses import dataclass

from perfmodels.dtypes import dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionVariant:
    """Formats of the arithmetic and of the cache; head size [elements]; whether a window limits the keys."""

    attn: str
    kv: str
    head_dim: int
    windowed: bool = False

    @property
    def name(self) -> str:
        """The variant's name, as measured tables and models carry it."""
        reach = "window" if self.windowed else "full"
        return f"{dtype(self.attn).name}/{dtype(self.kv).name}/d{self.head_dim}/{reach}"

    @property
    def compute(self) -> str:
        """Fastest unit that may multiply: kernels with an fp8 cache may also turn queries into fp8."""
        formats = {dtype(self.attn).compute, dtype(self.kv).compute}
        return "fp8" if "fp8" in formats else dtype(self.attn).compute


def parse_variant(name: str) -> AttentionVariant:
    """The variant called `name`. Raises ValueError where it is no such name."""
    parts = name.split("/")
    if len(parts) != 4 or not parts[2].startswith("d") or parts[3] not in ("full", "window"):
        raise ValueError(f"attention variant {name!r}: expected <arithmetic>/<cache>/d<head>/full|window")
    return AttentionVariant(
        attn=parts[0], kv=parts[1], head_dim=int(parts[2][1:]), windowed=parts[3] == "window"
    )
