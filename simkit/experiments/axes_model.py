"""The axes of an experiment file as a pydantic model, from which editors get their JSON Schema."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

_RANGE = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("start", "stop", "step", "factor")},
    "required": ["start", "stop"],
    "additionalProperties": False,
}


def _either(kind: str, *, ranged: bool) -> WithJsonSchema:
    one = {"type": kind}
    several = {"type": "array", "items": one, "minItems": 1}
    return WithJsonSchema({"anyOf": [one, several, *([_RANGE] if ranged else [])]})


_Text = Annotated[Any, _either("string", ranged=False)]
_Flag = Annotated[Any, _either("boolean", ranged=False)]
_Whole = Annotated[Any, _either("integer", ranged=True)]
_Number = Annotated[Any, _either("number", ranged=True)]


class _Stated(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def stated(self) -> dict[str, Any]:
        """What the file gives, as it was read."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


class Axes(_Stated):
    """Axes by name: a value, a list, or a range by step or factor."""

    model: _Text = Field(None, description="Hugging Face id, or a path to a folder or config.json.")
    gpu: _Text = Field(None, description="GPU, for example h200_sxm.")
    backend: _Text = Field(None, description="Engine, as --backend takes it; recommend also takes auto.")
    backend_version: _Text = Field(None, description="Version of the engine.")
    precision: _Text = Field(
        None, description="Format of the weights; left out: as the checkpoint is stored."
    )
    kv_dtype: _Text = Field(None, description="Format of the KV cache.")
    mode: _Text = Field(None, description="What recommend considers: agg, disagg or both.")
    plan: _Text = Field(None, description="4xtp2, dep8, or 3xtp2+1xtp4 for prefill + decode.")
    prefill: _Text = Field(None, description="Prefill engines, 3xtp2; with `decode`.")
    decode: _Text = Field(None, description="Decode engines, 1xtp4; with `prefill`.")
    tp: _Whole = Field(None, description="Tensor parallel, instead of `plan`.")
    pp: _Whole = Field(None, description="Pipeline stages.")
    attn_dp: _Whole = Field(None, description="Data-parallel attention ranks.")
    moe_tp: _Whole = Field(None, description="Tensor parallel inside an expert.")
    ep: _Whole = Field(None, description="Expert parallel.")
    num_gpus: _Whole = Field(None, description="GPUs; as many engines as fit.")
    isl_tokens: _Whole = Field(None, description="Prompt tokens of a request.")
    osl_tokens: _Whole = Field(None, description="Output tokens of a request.")
    concurrency: _Number = Field(None, description="Requests in flight (closed loop).")
    request_rate_per_s: _Number = Field(None, description="Requests per second (open loop).")
    prefix_hit: _Number = Field(None, description="Share of prompt tokens found in the prefix cache.")
    burstiness: _Number = Field(None, description="Simulated arrivals: 1 Poisson, below it bursts.")
    shared_prefix_tokens: _Whole = Field(
        None, description="Simulated: first tokens, the same in all prompts."
    )
    requests: _Whole = Field(None, description="Simulated: requests that count; left out: enough.")
    protocol: _Text = Field(None, description="Benchmark procedure: steady, inferencex, nvidia_internal.")
    requests_per_slot: _Number = Field(None, description="Requests that each slot sends; few: burst counts.")
    length_spread: _Number = Field(None, description="0.2: lengths from 0.8 to 1 of those given.")
    max_num_seqs: _Whole = Field(None, description="Most requests that one engine runs at once.")
    max_num_batched_tokens: _Whole = Field(None, description="Tokens of a step.")
    decode_max_num_seqs: _Whole = Field(None, description="Most sequences of a rank of decode engines.")
    rdma: _Flag = Field(None, description="false: KV cache goes from prefill to decode by TCP.")
    gpu_hour_price: _Number = Field(None, description="Price of a GPU hour, for the cost of tokens.")


class SlaAxes(_Stated):
    """Bounds on mean latencies [ms]; a list or range of bounds is an axis."""

    ttft_ms: _Number = Field(None, description="Time to first token.")
    itl_ms: _Number = Field(None, description="Inter-token latency.")
    e2e_ms: _Number = Field(None, description="Whole request.")
