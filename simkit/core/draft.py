"""Speculative decoding: a draft of a few tokens is checked in one step of the model.

With k drafted tokens of which each is accepted with probability a as long as all before it were, a step
yields (1 - a^(k+1)) / (1 - a) tokens on average, the model's own next token included (Leviathan et al.,
ICML 2023, equation 1). The acceptance depends on model, draft and text: it is given, never assumed.
"""

from dataclasses import dataclass, replace

from perfmodels.model.shape import ModelShape
from simkit.core.errors import InputError, unknown_name

# Whether drafting takes a layer and an output head on the GPU; n-grams are looked up on the host.
METHODS = {"mtp": True, "eagle": True, "ngram": False}
_MOST_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """How tokens are drafted, how many a step, and the probability that one more is accepted.

    method: mtp (the checkpoint's own prediction layer), eagle (a separate head) or ngram. model names the
    checkpoint of an eagle head.
    """

    method: str
    tokens: int
    acceptance: float
    model: str | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown_name("speculative method", self.method, METHODS)
        if not 1 <= self.tokens <= _MOST_TOKENS:
            raise InputError(f"speculative: 1 to {_MOST_TOKENS} drafted tokens, got {self.tokens}")
        if not 0 <= self.acceptance <= 1:
            raise InputError(f"speculative: the acceptance is a share from 0 to 1, got {self.acceptance:g}")
        if self.method == "eagle" and not self.model:
            raise InputError("speculative eagle: name its head, as in eagle:3:0.7:yuhuili/EAGLE3-LLaMA3.1-8B")
        if self.method != "eagle" and self.model:
            raise InputError(f"speculative {self.method} takes no model of its own; drop {self.model!r}")

    @property
    def tokens_per_step(self) -> float:
        """Tokens that a step yields on average."""
        return sum(self.acceptance**position for position in range(self.tokens + 1))

    @property
    def queries(self) -> int:
        """Tokens of one sequence that a step checks: the draft and the one before it."""
        return self.tokens + 1

    @property
    def passes(self) -> int:
        """Runs of the drafting layer for one step of the model."""
        return self.tokens if METHODS[self.method] else 0

    @property
    def text(self) -> str:
        """As `parse_draft` reads it: `mtp:3:0.8`."""
        parts = (self.method, str(self.tokens), repr(self.acceptance), self.model)
        return ":".join(part for part in parts if part)

    @property
    def label(self) -> str:
        """`mtp, 3 tokens, acceptance 0.8`."""
        return f"{self.method}, {self.tokens} tokens, acceptance {self.acceptance:g}"


def drafting_shape(shape: ModelShape) -> ModelShape:
    """The drafting layer: one layer like the model's last, with embedding and output head."""
    return replace(
        shape,
        num_layers=1,
        attention=(replace(shape.attention[-1], num_layers=1),),
        ffn=(replace(shape.ffn[-1], num_layers=1),),
    )


def with_draft_layer(shape: ModelShape) -> ModelShape:
    """The model and its drafting layer, for what they take in memory."""
    last = (shape.attention[-1], shape.ffn[-1])
    return replace(
        shape,
        attention=(*shape.attention[:-1], replace(last[0], num_layers=last[0].num_layers + 1)),
        ffn=(*shape.ffn[:-1], replace(last[1], num_layers=last[1].num_layers + 1)),
    )


def parse_draft(text: str) -> Draft:
    """A draft as it is written on the command line: METHOD:TOKENS:ACCEPTANCE[:MODEL]."""
    parts = text.split(":", 3)
    expected = "expected METHOD:TOKENS:ACCEPTANCE[:MODEL], as in mtp:3:0.8"
    if len(parts) < 3:
        raise InputError(f"--speculative {text!r}: {expected}; the acceptance has to be measured or known")
    try:
        tokens, acceptance = int(parts[1]), float(parts[2])
    except ValueError as error:
        raise InputError(f"--speculative {text!r}: {expected}") from error
    return Draft(
        method=parts[0], tokens=tokens, acceptance=acceptance, model=parts[3] if len(parts) > 3 else None
    )
