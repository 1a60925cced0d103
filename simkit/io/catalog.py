"""The catalogue of accelerators and models; see data/README.md for the files behind it."""

from simkit.io.gpus import gpu, gpu_names, with_hardware
from simkit.io.model_files import ModelEntry
from simkit.io.model_lookup import model_config, model_names

__all__ = ["ModelEntry", "gpu", "gpu_names", "model_config", "model_names", "with_hardware"]
