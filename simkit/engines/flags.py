"""The engines' command lines as data: what the flag of each setting is called.

Sources: Dynamo 1.6.1's worker flags and blueprints; the parsers of vLLM 0.26 to 0.31 and SGLang 0.5.16 to
0.5.21, which take every flag that is written. Which release knows which flag is in flag_history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simkit.engines.flag_reader import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagTable:
    """One engine's flags. In each tuple the first name is written, all of them are read."""

    module: str  # started as python3 -m <module>
    image: str  # name of Dynamo's runtime image
    model: Names
    tp: Names
    pp: Names
    dp: Names
    ep: Names
    max_num_seqs: Names
    token_budget: Names
    memory_frac: Names
    max_model_len: Names
    block_tokens: Names
    kv_dtype: Names
    quantization: Names = ()
    served_name: Names = ("--served-model-name",)
    role: Names = ("--disaggregation-mode",)
    prefix_on: Names = ()
    prefix_off: Names = ()
    eager: Names = ()  # no CUDA graphs
    graphs: Names = ()  # how CUDA graphs are made; null or disabled: none
    speculative: Names = ()
    poll: Names = ()  # decode steps between two looks at the inbox of new requests
    hold: Names = ()  # decode steps for which prompts are held back to be batched
    legacy_roles: tuple[tuple[str, str], ...] = ()  # switches that said the role in earlier versions
    neutral: Names = ()  # flags that do not change what is predicted

    @property
    def known(self) -> frozenset[str]:
        """Every flag that is read or known not to matter."""
        names: set[str] = set()
        for field in self.__dataclass_fields__:
            value = getattr(self, field)
            if isinstance(value, tuple):
                names.update(item if isinstance(item, str) else item[0] for item in value)
        return frozenset(names)


_TP = ("--tensor-parallel-size", "--tp-size", "--tp", "-tp")
_PP = ("--pipeline-parallel-size", "--pp-size", "--pp", "-pp")
_DP = ("--data-parallel-size", "--dp-size", "--dp", "-dp")
_EP = ("--expert-parallel-size", "--ep-size", "--ep")
_NEUTRAL = ("--trust-remote-code", "--host", "--port", "--kv-events-config")
_KV = "--trtllm.kv_cache_config."

TABLES: Mapping[str, FlagTable] = MappingProxyType({
    "vllm": FlagTable(
        module="dynamo.vllm",
        image="vllm-runtime",
        model=("--model",),
        tp=_TP,
        pp=_PP,
        dp=_DP,
        ep=("--enable-expert-parallel", "-ep"),
        max_num_seqs=("--max-num-seqs",),
        token_budget=("--max-num-batched-tokens",),
        memory_frac=("--gpu-memory-utilization",),
        max_model_len=("--max-model-len",),
        block_tokens=("--block-size",),
        kv_dtype=("--kv-cache-dtype",),
        quantization=("--quantization", "-q"),
        prefix_on=("--enable-prefix-caching",),
        prefix_off=("--no-enable-prefix-caching",),
        eager=("--enforce-eager",),
        speculative=("--speculative-config", "--speculative-model", "--num-speculative-tokens", "-sc"),
        legacy_roles=(("--is-prefill-worker", "prefill"), ("--is-decode-worker", "decode")),
        neutral=(*_NEUTRAL, "--kv-transfer-config", "--no-enable-log-requests", "--async-scheduling"),
    ),
    "sglang": FlagTable(
        module="dynamo.sglang",
        image="sglang-runtime",
        model=("--model-path", "--model"),
        tp=_TP,
        pp=_PP,
        dp=_DP,
        ep=_EP,
        max_num_seqs=("--max-running-requests",),
        token_budget=("--chunked-prefill-size", "--max-prefill-tokens"),
        memory_frac=("--mem-fraction-static",),
        max_model_len=("--context-length", "--max-model-len"),
        block_tokens=("--page-size",),
        kv_dtype=("--kv-cache-dtype",),
        quantization=("--quantization",),
        prefix_off=("--disable-radix-cache",),
        eager=("--disable-cuda-graph", "--disable-decode-cuda-graph"),
        graphs=("--cuda-graph-backend-decode",),
        speculative=("--speculative-algorithm", "--speculative-algo"),
        poll=("--scheduler-recv-interval",),
        neutral=(
            *_NEUTRAL, "--skip-tokenizer-init", "--disaggregation-transfer-backend",
            "--disaggregation-bootstrap-port", "--cuda-graph-bs-decode", "--cuda-graph-bs",
            "--cuda-graph-max-bs", "--cuda-graph-max-bs-decode", "--enable-mixed-chunk",
            "--enable-dp-attention", "--moe-a2a-backend", "--enable-ep-moe", "--enable-deepep-moe",
        ),
    ),
    "trtllm": FlagTable(
        module="dynamo.trtllm",
        image="tensorrtllm-runtime",
        model=("--model-path", "--model"),
        tp=(*_TP, "--trtllm.tensor_parallel_size"),
        pp=(*_PP, "--trtllm.pipeline_parallel_size"),
        dp=("--enable-attention-dp", "--trtllm.enable_attention_dp"),
        ep=(*_EP, "--moe-expert-parallel-size", "--trtllm.moe_expert_parallel_size"),
        max_num_seqs=("--max-batch-size", "--trtllm.max_batch_size"),
        token_budget=("--max-num-tokens", "--trtllm.max_num_tokens"),
        memory_frac=(
            _KV + "free_gpu_memory_fraction", "--free-gpu-memory-fraction",
            "--kv-cache-free-gpu-memory-fraction", "--kv-cache-free-gpu-mem-fraction",
        ),
        max_model_len=("--max-seq-len", "--trtllm.max_seq_len"),
        block_tokens=(_KV + "tokens_per_block", "--kv-block-size"),
        kv_dtype=(_KV + "dtype", "--kv-cache-dtype", "--trtllm.quant_config.kv_cache_quant_algo"),
        quantization=("--trtllm.quant_config.quant_algo",),
        role=("--disaggregation-mode", "--server-role"),
        prefix_on=(_KV + "enable_block_reuse",),
        speculative=("--trtllm.speculative_config.decoding_type",),
        hold=("--trtllm.batch_wait_timeout_iters",),
        graphs=("--trtllm.cuda_graph_config",),
        neutral=(
            *_NEUTRAL, "--publish-kv-events", "--publish-events-and-metrics", "--no-enable-attention-dp",
            "--trtllm.trust_remote_code", "--trtllm.enable_chunked_prefill", "--trtllm.print_iter_log",
            "--trtllm.disable_overlap_scheduler", "--trtllm.cuda_graph_config.enable_padding",
            "--trtllm.cuda_graph_config.max_batch_size", "--trtllm.cache_transceiver_config.backend",
            "--trtllm.cache_transceiver_config.max_tokens_in_buffer",
            "--extra-engine-args", "--override-engine-args",
        ),
    ),
})  # fmt: skip
