"""The flag `--calibration`: runs of one's own by which every verb that predicts corrects itself."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simkit.core.user_calibration import OwnCalibration

CALIBRATION = "--calibration"
CALIBRATION_HELP = (
    "Your own runs, as simkit fit --own or profile wrote them; none: without those that a DGD names."
)
CalibrationFlag = Annotated[str | None, typer.Option(CALIBRATION, metavar="own.json", help=CALIBRATION_HELP)]


def own_runs(text: str | None) -> "OwnCalibration | None":
    """The calibration that the flag names. Raises InputError for a file that is none."""
    if text is None:
        return None
    from simkit.formats.user_calibration import NO_CALIBRATION, read_own

    return None if text == NO_CALIBRATION else read_own(text)
