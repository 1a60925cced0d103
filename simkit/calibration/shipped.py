"""What the shipped artifacts were fitted with: where repeated fits start, without tuning again."""

from simkit.calibration.kriged import Tuning
from simkit.calibration.left_out import Whole
from simkit.core.residual_models import METRICS
from simkit.io.calibration import FACTORS, artifact, efficiency
from simkit.io.residual_store import shipped_residuals


def shipped_whole() -> Whole:
    """Factors and tunings of data/calibration."""
    residuals = shipped_residuals()
    tunings = {
        metric: Tuning(
            amplitudes=residuals.models[metric].amplitudes, noise=float(residuals.noise[metric] ** 0.5)
        )
        for metric in METRICS
    }
    return Whole(
        factors={backend: efficiency(backend) for backend in artifact(FACTORS)["engines"]}, tunings=tunings
    )
