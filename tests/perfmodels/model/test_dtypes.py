"""Number formats: bytes with their scales, and the names people use."""

import pytest

from perfmodels.model.dtypes import DTYPES, Precision, dtype


@pytest.mark.parametrize(
    ("name", "stored", "compute"),
    [
        ("bf16", 2, "bf16"),
        ("fp8", 1, "fp8"),
        ("fp8_block", 1 + 4 / 16384, "fp8"),  # one float32 per 128 x 128
        ("mxfp8", 1 + 1 / 32, "fp8"),  # one byte per 32
        ("nvfp4", 0.5 + 1 / 16, "fp4"),  # one byte per 16
        ("mxfp4", 0.5 + 1 / 32, "fp4"),  # one byte per 32
        ("int4_wo", 0.5 + 2 / 128, "bf16"),  # one half per 128, unpacked before multiplying
        ("w4a8", 0.5 + 2 / 128, "fp8"),
        ("int8", 1, "int8"),
        ("int8_wo", 1 + 3 / 128, "bf16"),
        ("fp32", 4, "tf32"),
    ],
)
def test_bytes_per_element(name, stored, compute):
    assert dtype(name).bytes_per_element == stored
    assert dtype(name).compute == compute


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("bfloat16", "bf16"),
        (" BF16 ", "bf16"),
        ("fp8_e4m3", "fp8"),
        ("float8_e4m3fn", "fp8"),
        ("AWQ", "int4_wo"),
        ("w4a16", "int4_wo"),
        ("w8a8", "int8"),
        ("fp4", "nvfp4"),
        ("float32", "fp32"),
    ],
)
def test_aliases(alias, name):
    assert dtype(alias).name == name


def test_every_name_finds_itself():
    assert all(dtype(name).name == name for name in DTYPES)


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(KeyError, match=r"fp3.*known: .*nvfp4"):
        dtype("fp3")


def test_precision_speaks_canonical_names():
    assert Precision(gemm="bfloat16", moe="awq", kv="fp8_e5m2") == Precision(
        gemm="bf16", moe="int4_wo", kv="fp8", other="bf16"
    )
    with pytest.raises(KeyError):
        Precision(kv="nothing")
