"""The checkpoint of a model in another number format: engines serve weights as they are stored."""

from perfmodels.model.dtypes import DTYPES, FP8_WEIGHTS, dtype
from simkit.catalog.model_files import parse_model_name
from simkit.catalog.model_lookup import model_names
from simkit.catalog.models import Model, load_model
from simkit.core.errors import InputError, unknown_name


def checkpoint_in(name: str, text: str) -> tuple[Model, str]:
    """The checkpoint of a model in a number format (fp8, nvfp4 ...), and in words what that is.

    The model itself where it is stored so, else one of the same name and tuning, of the same organisation
    first. Raises InputError where there is none, with the formats that there are.
    """
    wanted, asked = _known_format(text), load_model(name)
    if _is_stored_in(asked, wanted):
        return asked, f"--precision {text}: {_words(asked)}"
    own = parse_model_name(asked.name)
    alike = [(each, parse_model_name(each)) for each in model_names()]
    found = [
        (parts.organisation != own.organisation, len(each), load_model(each))
        for each, parts in alike
        if parts.base == own.base and parts.variants == own.variants
    ]
    fitting = [one for one in found if _is_stored_in(one[2], wanted)]
    if not fitting:
        raise InputError(_none_such(asked, text, [asked, *(model for _, _, model in found)]))
    chosen = min(fitting, key=lambda one: one[:2])[2]
    return chosen, f"--precision {text}: {_words(chosen)}, instead of {asked.name}"


def _known_format(text: str) -> str:
    try:
        return dtype(text).name
    except KeyError:
        raise unknown_name("precision", text, DTYPES, "for example bf16, fp8 or nvfp4") from None


def weight_format(model: Model) -> str:
    """The format of most weights: that of routed experts where there are any."""
    return model.precision.moe if model.shape.is_moe else model.precision.gemm


def _is_stored_in(model: Model, wanted: str) -> bool:
    """Whether most weights are in the format; fp8 may be any of its scalings."""
    stored = weight_format(model)
    return stored == wanted or (wanted == "fp8" and stored in FP8_WEIGHTS)


def _words(model: Model) -> str:
    return f"the checkpoint {model.name}, weights in {weight_format(model)}, KV cache in {model.precision.kv}"


def _none_such(asked: Model, text: str, known: list[Model]) -> str:
    there = {weight_format(model): model.name for model in reversed(known)}
    listed = ", ".join(f"{stored} ({name})" for stored, name in there.items())
    return (
        f"--precision {text}: no checkpoint of {asked.name} in {text} is known, only {listed}; name one with "
        f"--model, such as ORGANISATION/{asked.name.rpartition('/')[2]}-{text.upper()}"
    )
