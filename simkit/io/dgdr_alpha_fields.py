"""Where each field of a v1alpha1 request is in v1beta1, and why some have no place there."""

from collections.abc import Mapping

ALPHA_VERSION = "nvidia.com/v1alpha1"
DEPRECATED = "apiVersion v1alpha1 is deprecated and was read as v1beta1; write v1beta1"

CONFIG = "profilingConfig.config"
JOB = "overrides.profilingJob.template.spec"
DGD = "overrides.dgd.metadata"
# Where a value goes; of several sources of one field the first that is given counts.
MOVES = (
    ("model", "model"),
    ("backend", "backend"),
    ("autoApply", "autoApply"),
    ("useMocker", "features.mocker.enabled"),
    ("profilingConfig.profilerImage", "image"),
    ("deploymentOverrides.workersImage", "image"),
    (f"{CONFIG}.sla.isl", "workload.isl"),
    (f"{CONFIG}.sla.osl", "workload.osl"),
    (f"{CONFIG}.sla.ttft", "sla.ttft"),
    (f"{CONFIG}.sla.itl", "sla.itl"),
    (f"{CONFIG}.hardware.gpuModel", "hardware.gpuSku"),
    (f"{CONFIG}.hardware.gpuType", "hardware.gpuSku"),
    (f"{CONFIG}.sweep.aicSystem", "hardware.gpuSku"),
    (f"{CONFIG}.hardware.gpuVramMib", "hardware.vramMb"),
    (f"{CONFIG}.hardware.numGpusPerNode", "hardware.numGpusPerNode"),
    (f"{CONFIG}.sweep.useAiConfigurator", "searchStrategy"),
    (f"{CONFIG}.deployment.modelCache.pvcName", "modelCache.pvcName"),
    (f"{CONFIG}.deployment.modelCache.modelPathInPvc", "modelCache.pvcModelPath"),
    (f"{CONFIG}.deployment.modelCache.pvcMountPath", "modelCache.pvcMountPath"),
    (f"{CONFIG}.deployment.modelCache.mountPath", "modelCache.pvcMountPath"),
    (f"{CONFIG}.planner", "features.planner"),
    ("profilingConfig.tolerations", f"{JOB}.tolerations"),
    ("profilingConfig.nodeSelector", f"{JOB}.nodeSelector"),
    ("profilingConfig.resources", f"{JOB}.containers"),
    ("deploymentOverrides.name", f"{DGD}.name"),
    ("deploymentOverrides.labels", f"{DGD}.labels"),
    ("deploymentOverrides.annotations", f"{DGD}.annotations"),
)
# Places whose faults concern a block as a whole.
BLOCKS = {
    "sla": f"{CONFIG}.sla",
    "workload": f"{CONFIG}.sla",
    "hardware": f"{CONFIG}.hardware",
    "modelCache": f"{CONFIG}.deployment.modelCache",
    "features.mocker": "useMocker",
    "overrides.profilingJob": "profilingConfig",
    "overrides.dgd": "deploymentOverrides",
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "": (
        "model", "backend", "useMocker", "autoApply", "enableGpuDiscovery", "profilingConfig",
        "deploymentOverrides",
    ),
    "profilingConfig": (
        "config", "configMapRef", "profilerImage", "outputPVC", "resources", "nodeSelector", "tolerations",
    ),
    "profilingConfig.configMapRef": ("name", "key"),
    "deploymentOverrides": ("name", "namespace", "labels", "annotations", "workersImage"),
}  # fmt: skip
REASONS = {
    "enableGpuDiscovery": "it has no effect any more",
    "profilingConfig.configMapRef": "deployments are made from the request, not from a template",
    "profilingConfig.outputPVC": "results go to the folder given with -o",
    "deploymentOverrides.namespace": "set metadata.namespace",
    "deploymentOverrides.workersImage": "worker images follow spec.image, which profilerImage gives",
}
