"""Command lines as people write them, with what they must be read as. Written for these tests."""

# ruff: noqa: E501  # command lines are kept whole

from dataclasses import dataclass, field
from typing import Any

from perfmodels.parallel import ParallelPlan

QWEN, R1, LLAMA, MIX = (
    "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1", "meta-llama/Llama-3.1-70B", "Qwen/Qwen3-235B-A22B",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """engine and formats list only what the command says; notes are parts of lines that must be there."""

    text: str
    model: str
    plan: ParallelPlan
    replicas: int = 1
    engine: dict[str, Any] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plan(tp=1, pp=1, dp=1, mtp=1, ep=1):
    return ParallelPlan(tp=tp, pp=pp, attn_dp=dp, moe_tp=mtp, ep=ep)


VLLM = {
    "bare": Case("vllm serve Qwen/Qwen3-32B", QWEN, plan(), notes=("--max-num-seqs 512",)),
    "short flags": Case(
        "vllm serve Qwen/Qwen3-32B -tp 4 -pp 2 --max-num-seqs 128 --max-num-batched-tokens 16k",
        QWEN, plan(4, 2), engine={"max_num_seqs": 128, "max_num_batched_tokens": 16_000},
    ),
    "equals and underscores": Case(
        "vllm serve --tensor_parallel_size=8 --gpu_memory_utilization=0.85 --model=Qwen/Qwen3-32B",
        QWEN, plan(8), engine={"memory_frac": 0.85},
    ),
    "model behind flags": Case(
        "vllm serve --tensor-parallel-size 2 --enforce-eager Qwen/Qwen3-32B", QWEN, plan(2),
        engine={"cuda_graphs": False},
    ),
    "module": Case(
        "python3 -m vllm.entrypoints.openai.api_server --model meta-llama/Llama-3.1-70B-Instruct -tp 4 "
        "--dtype bfloat16 --max-model-len 32K --block-size 32 --host 0.0.0.0 --port 8000",
        "meta-llama/Llama-3.1-70B-Instruct", plan(4), engine={"max_model_len": 32_768, "kv_block_tokens": 32},
    ),
    "quantised on loading": Case(
        "vllm serve Qwen/Qwen3-32B --quantization fp8 --kv-cache-dtype fp8_e4m3 --no-enable-prefix-caching",
        QWEN, plan(), engine={"prefix_caching": False}, formats={"gemm": "fp8", "moe": "fp8", "kv": "fp8"},
    ),
    "docker image": Case(
        "sudo docker run --runtime nvidia --gpus 4 -v ~/.cache/huggingface:/root/.cache/huggingface "
        '-e "HF_TOKEN=hf_secret" -p 8000:8000 --ipc=host vllm/vllm-openai:v0.24.0 '
        "--model Qwen/Qwen3-32B --tensor-parallel-size 4 --api-key top-secret",
        QWEN, plan(4), notes=("docker run", "not modelled: HF_TOKEN"),
    ),
    "continued lines": Case(
        "export CUDA_VISIBLE_DEVICES=0,1,2,3\nexport VLLM_USE_V1=1\nvllm serve Qwen/Qwen3-32B \\\n"
        "  --tensor-parallel-size 4 \\  \n  --max-num-seqs 64   # small\n",
        QWEN, plan(4), engine={"max_num_seqs": 64}, notes=("VLLM_USE_V1",),
    ),
    "lines without backslashes": Case(
        "vllm serve Qwen/Qwen3-32B\n  --tensor-parallel-size 2\n  --max-num-seqs 64", QWEN, plan(2),
        engine={"max_num_seqs": 64},
    ),
    "data-parallel experts": Case(
        "vllm serve deepseek-ai/DeepSeek-R1 --data-parallel-size 16 --data-parallel-size-local 8 "
        "--enable-expert-parallel --data-parallel-address 10.0.0.1 --trust-remote-code",
        R1, plan(dp=16, ep=16),
    ),
    "tensor-parallel experts": Case(
        "vllm serve Qwen/Qwen3-235B-A22B -tp 8 --speculative-config '{\"method\": \"mtp\"}'", MIX,
        plan(8, mtp=8), engine={"speculative": True, "drafting": "mtp"},
    ),
    "dense data parallelism is replicas": Case(
        "vllm serve Qwen/Qwen3-32B -dp 4 -tp 2", QWEN, plan(2), 4, notes=("read as 4 engines",),
    ),
    "two servers": Case(
        "CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-32B -tp 2 --port 8000 &\n"
        "CUDA_VISIBLE_DEVICES=2,3 vllm serve Qwen/Qwen3-32B -tp 2 --port 8001 &\nwait",
        QWEN, plan(2), 2, notes=("not read: wait",),
    ),
    "variables and a log": Case(
        'MODEL=Qwen/Qwen3-32B; TP=4\nnohup vllm serve "$MODEL" --tensor-parallel-size ${TP} '
        "--max-num-seqs ${SEQS:-96} > serve.log 2>&1 &",
        QWEN, plan(4), engine={"max_num_seqs": 96},
    ),
    "cached snapshot": Case(
        "vllm serve /root/.cache/huggingface/hub/models--Qwen--Qwen3-32B/snapshots/0a1b2c --served-model-name q",
        QWEN, plan(), notes=("is not here: taken as Qwen/Qwen3-32B",),
    ),
    "a checkpoint in a folder is its publisher's": Case(
        "vllm serve /mnt/models/Qwen3-32B-FP8 -tp 2", QWEN + "-FP8", plan(2),
        formats={"gemm": "fp8_block"}, notes=("taken as Qwen/Qwen3-32B-FP8",),
    ),
    "dynamo": Case(
        "python3 -m dynamo.vllm --model Qwen/Qwen3-32B --tensor-parallel-size 2 --kv-events-config '{}'",
        QWEN, plan(2),
    ),
    "unknown flags": Case(
        "vllm serve Qwen/Qwen3-32B --brand-new 7 --cpu-offload-gb 10 --reasoning-parser qwen3", QWEN, plan(),
        notes=("flags not modelled: --brand-new, --cpu-offload-gb",),
    ),
}  # fmt: skip

SGLANG = {
    "bare": Case("python -m sglang.launch_server --model-path Qwen/Qwen3-32B", QWEN, plan()),
    "short": Case(
        "python3 -m sglang.launch_server --model Qwen/Qwen3-32B --tp 4 --mem-fraction-static 0.82 --port 30000",
        QWEN, plan(4), engine={"memory_frac": 0.82},
    ),
    "serve": Case(
        "sglang serve --model-path Qwen/Qwen3-32B --tp-size 2 --context-length 16384", QWEN, plan(2),
        engine={"max_model_len": 16_384},
    ),
    "short model flag": Case("sglang serve -m Qwen/Qwen3-32B --tp 2", QWEN, plan(2)),
    "graphs by phase": Case(
        "sglang serve --model-path Qwen/Qwen3-32B --cuda-graph-backend-decode disabled --cuda-graph-max-bs-decode 64",
        QWEN, plan(), engine={"cuda_graphs": False},
    ),
    "no graphs for decode": Case(
        "sglang serve --model-path Qwen/Qwen3-32B --disable-decode-cuda-graph", QWEN, plan(),
        engine={"cuda_graphs": False},
    ),
    "graphs of one piece": Case(
        "sglang serve --model-path Qwen/Qwen3-32B --cuda-graph-backend-decode full", QWEN, plan(),
    ),
    "replicas": Case(
        "python -m sglang.launch_server --model-path Qwen/Qwen3-235B-A22B --tp 4 --dp 2", MIX, plan(4, mtp=4), 2,
        notes=("read as 2 engines",),
    ),
    "attention over ranks": Case(
        "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-R1 --tp 8 --dp 8 "
        "--enable-dp-attention --max-running-requests 512 --chunked-prefill-size 32768 --trust-remote-code",
        R1, plan(dp=8, mtp=8), engine={"max_num_seqs": 64, "max_num_batched_tokens": 4096},
    ),
    "experts exchanged": Case(
        "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-R1 --tp 16 --dp 16 "
        "--enable-dp-attention --moe-a2a-backend deepep --nnodes 2 --node-rank 0 --dist-init-addr 10.0.0.1:5000",
        R1, plan(dp=16, ep=16),
    ),
    "expert size": Case(
        "python -m sglang.launch_server --model-path Qwen/Qwen3-235B-A22B --tp 8 --ep-size 8", MIX, plan(8, ep=8)
    ),
    "cache format": Case(
        "python -m sglang.launch_server --model-path Qwen/Qwen3-32B --kv-cache-dtype fp8_e5m2 --page-size 64 "
        "--quantization w8a8_int8", QWEN, plan(), engine={"kv_block_tokens": 64},
        formats={"kv": "fp8", "gemm": "int8"},
    ),
    "switches": Case(
        "python -m sglang.launch_server --model-path Qwen/Qwen3-32B --disable-radix-cache --disable-cuda-graph "
        "--enable-mixed-chunk --chunked-prefill-size 2048 --schedule-policy lpm",
        QWEN, plan(), engine={"prefix_caching": False, "cuda_graphs": False, "mixed_steps": True,
                              "max_num_batched_tokens": 2048},
        notes=("--schedule-policy",),
    ),
    "speculative": Case(
        "python -m sglang.launch_server --model-path Qwen/Qwen3-32B --speculative-algorithm EAGLE3 "
        "--speculative-draft-model-path x/y --speculative-num-steps 3", QWEN, plan(),
        engine={"speculative": True},
    ),
    "docker": Case(
        "docker run --gpus '\"device=0,1\"' --shm-size 32g -v $(pwd):/w --env HF_TOKEN=$HF_TOKEN lmsysorg/sglang:latest "
        "python3 -m sglang.launch_server --model-path Qwen/Qwen3-32B --tp 2 --host 0.0.0.0",
        QWEN, plan(2), notes=("docker run", "HF_TOKEN"),
    ),
    "inside a shell": Case(
        'docker run lmsysorg/sglang bash -lc "cd /w && python3 -m sglang.launch_server --model-path Qwen/Qwen3-32B '
        '--tp 2 --quantization fp8"', QWEN, plan(2), formats={"gemm": "fp8"}, notes=("docker run",),
    ),
    "two nodes": Case(
        "python3 -m sglang.launch_server --model-path meta-llama/Llama-3.1-70B --tp 16 --nnodes 2 --node-rank 0\n"
        "python3 -m sglang.launch_server --model-path meta-llama/Llama-3.1-70B --tp 16 --nnodes 2 --node-rank 1",
        LLAMA, plan(16), notes=("1 commands start further nodes",),
    ),
    "dynamo": Case(
        "python3 -m dynamo.sglang --model-path Qwen/Qwen3-32B --served-model-name qwen --tp 2 "
        "--skip-tokenizer-init --trust-remote-code", QWEN, plan(2),
    ),
}  # fmt: skip

TRTLLM = {
    "bare": Case("trtllm-serve Qwen/Qwen3-32B", QWEN, plan(), notes=("chunked prefill is off",)),
    "underscores": Case(
        "trtllm-serve Qwen/Qwen3-32B --tp_size 4 --pp_size 2 --max_batch_size 256 --max_num_tokens 16384",
        QWEN, plan(4, 2), engine={"max_num_seqs": 256, "max_num_batched_tokens": 16_384},
    ),
    "model behind flags": Case(
        "trtllm-serve --tp_size 2 --host 0.0.0.0 --log_level info --trust_remote_code Qwen/Qwen3-32B", QWEN, plan(2),
    ),
    "subcommand": Case("trtllm-serve serve Qwen/Qwen3-32B --tp_size 8 --backend pytorch", QWEN, plan(8)),
    "memory": Case(
        "trtllm-serve Qwen/Qwen3-32B --kv_cache_free_gpu_memory_fraction 0.8 --max_seq_len 8192",
        QWEN, plan(), engine={"memory_frac": 0.8, "max_model_len": 8192},
    ),
    "experts": Case(
        "trtllm-serve deepseek-ai/DeepSeek-R1 --tp_size 8 --ep_size 4", R1, plan(8, mtp=2, ep=4),
    ),
    "long expert size": Case(
        "trtllm-serve Qwen/Qwen3-235B-A22B --tensor_parallel_size 8 --moe_expert_parallel_size 8", MIX,
        plan(8, ep=8),
    ),
    "chunked": Case(
        "trtllm-serve Qwen/Qwen3-32B --enable_chunked_prefill --free_gpu_memory_fraction 0.7", QWEN, plan(),
        engine={"memory_frac": 0.7},
    ),
    "mpi": Case(
        "mpirun -n 8 --oversubscribe --allow-run-as-root trtllm-llmapi-launch trtllm-serve Qwen/Qwen3-32B "
        "--tp_size 8 --num_postprocess_workers 4", QWEN, plan(8), notes=("mpirun, trtllm-llmapi-launch",),
    ),
    "docker": Case(
        "docker run --rm -it --ipc host --gpus all -p 8000:8000 nvcr.io/nvidia/tensorrt-llm/release:1.3.0 "
        "trtllm-serve Qwen/Qwen3-32B --tp_size 2", QWEN, plan(2), notes=("docker run",),
    ),
    "cache format": Case(
        "trtllm-serve Qwen/Qwen3-32B --kv_cache_dtype fp8 --max_beam_width 1", QWEN, plan(), formats={"kv": "fp8"},
    ),
    "quantised checkpoint": Case(
        "trtllm-serve Qwen/Qwen3-32B-FP8 --tp_size 2", "Qwen/Qwen3-32B-FP8", plan(2), formats={"kv": "fp8"},
    ),
    "dynamo": Case(
        "python3 -m dynamo.trtllm --model-path deepseek-ai/DeepSeek-R1 --tensor-parallel-size 8 "
        "--expert-parallel-size 8 --enable-attention-dp --max-batch-size 64 --publish-kv-events "
        "--trtllm.kv_cache_config.enable_block_reuse false --trtllm.enable_chunked_prefill true",
        R1, plan(dp=8, ep=8), engine={"max_num_seqs": 64, "prefix_caching": False},
    ),
    "overrides in JSON": Case(
        "python3 -m dynamo.trtllm --model Qwen/Qwen3-32B --override-engine-args "
        "'{\"tensor_parallel_size\": 4, \"kv_cache_config\": {\"dtype\": \"fp8\"}, \"cuda_graph_config\": null}'",
        QWEN, plan(4), engine={"cuda_graphs": False}, formats={"kv": "fp8"},
    ),
}  # fmt: skip
TABLES = {"vllm": VLLM, "sglang": SGLANG, "trtllm": TRTLLM}
