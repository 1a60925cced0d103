"""Which tables feed which operator family."""

from pathlib import Path
from types import MappingProxyType

import pandas as pd

from perfmodels.families.catalog import FAMILIES
from simkit.core.errors import InputError
from simkit.io.optables.attention import ATTENTION_DECODE_TABLE, ATTENTION_PREFILL_TABLE
from simkit.io.optables.comm import COMM_TABLES
from simkit.io.optables.gemm import GEMM_TABLE
from simkit.io.optables.linear import LINEAR_DECODE_TABLES, LINEAR_PREFILL_TABLES
from simkit.io.optables.mhc import MHC_TABLES
from simkit.io.optables.mla import (
    MLA_BMM_TABLE,
    MLA_DECODE_TABLE,
    MLA_MODULE_DECODE_TABLE,
    MLA_MODULE_PREFILL_TABLE,
    MLA_PREFILL_TABLE,
)
from simkit.io.optables.moe import MOE_TABLE
from simkit.io.optables.quantise import QUANTISE_TABLES
from simkit.io.optables.reader import Table, read_tables
from simkit.io.optables.sparse import DSA_PREFILL_TABLES, SPARSE_DECODE_TABLES, SPARSE_PREFILL_TABLES

TABLES: MappingProxyType[str, tuple[Table, ...]] = MappingProxyType({
    "gemm": (GEMM_TABLE,),
    "attention_prefill": (ATTENTION_PREFILL_TABLE,),
    "attention_decode": (ATTENTION_DECODE_TABLE,),
    "mla_prefill": (MLA_PREFILL_TABLE,),
    "mla_decode": (MLA_DECODE_TABLE,),
    "mla_bmm": (MLA_BMM_TABLE,),
    "mla_module_prefill": (MLA_MODULE_PREFILL_TABLE,),
    "mla_module_decode": (MLA_MODULE_DECODE_TABLE,),
    "moe": (MOE_TABLE,),
    "linear_prefill": LINEAR_PREFILL_TABLES,
    "linear_decode": LINEAR_DECODE_TABLES,
    "dsa_prefill": DSA_PREFILL_TABLES,
    "sparse_prefill": SPARSE_PREFILL_TABLES,
    "sparse_decode": SPARSE_DECODE_TABLES,
    "quantise": QUANTISE_TABLES,
    "mhc": MHC_TABLES,
    **COMM_TABLES,
})  # fmt: skip


def table_rows(root: Path, family: str) -> pd.DataFrame:
    """Measured rows of one family below `root`; see read_tables.

    Raises InputError where the folder holds no table of the family, or the family is unknown.
    """
    if family not in TABLES:
        raise InputError(f"unknown operator family {family!r}; known: {', '.join(TABLES)}")
    return read_tables(root, TABLES[family], FAMILIES[family].dims)
