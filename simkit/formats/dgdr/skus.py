"""GPUs by the names that Dynamo's request takes; beside the model, which is dear to import."""

GPU_SKUS = (
    "vr_nvl72", "gb200", "gb200_sxm", "gb10", "b300_sxm", "b200_sxm", "h200_sxm", "h100_sxm",
    "h100_pcie", "a100_sxm", "a100_pcie", "a30", "l40s", "l40", "l4", "v100_sxm", "v100_pcie",
    "t4", "mi200", "mi300",
)  # fmt: skip
