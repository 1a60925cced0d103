"""Which measured files feed which family: those it names itself, and those that need a reader here."""

from pathlib import Path
from types import MappingProxyType

import pandas as pd

from perfmodels.op_times.families import FAMILIES
from simkit.catalog.operator_tables.attention import ATTENTION_DECODE_TABLE, ATTENTION_PREFILL_TABLE
from simkit.catalog.operator_tables.comm import COMM_TABLES
from simkit.catalog.operator_tables.linear import LINEAR_DECODE_TABLES, LINEAR_PREFILL_TABLES
from simkit.catalog.operator_tables.mla import (
    MLA_BMM_TABLE,
    MLA_DECODE_TABLE,
    MLA_MODULE_DECODE_TABLE,
    MLA_MODULE_PREFILL_TABLE,
    MLA_PREFILL_TABLE,
)
from simkit.catalog.operator_tables.moe import MOE_TABLE
from simkit.catalog.operator_tables.reader import Table, read_tables, table_of
from simkit.catalog.operator_tables.sparse import (
    DSA_PREFILL_TABLES,
    SPARSE_DECODE_TABLES,
    SPARSE_PREFILL_TABLES,
)
from simkit.core.errors import InputError

# Files whose rows must be grouped, dropped or told apart by kernel, by family.
_READERS: dict[str, tuple[Table, ...]] = {
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
    **COMM_TABLES,
}

TABLES = MappingProxyType({
    name: tuple(table_of(file) for file in family.files) + _READERS.get(name, ())
    for name, family in FAMILIES.items()
    if family.files or name in _READERS
})  # fmt: skip


def table_rows(root: Path, family: str) -> pd.DataFrame:
    """Measured rows of one family below `root`; see read_tables.

    Raises InputError where the folder holds no table of the family, or the family is unknown.
    """
    if family not in TABLES:
        raise InputError(f"unknown operator family {family!r}; known: {', '.join(TABLES)}")
    return read_tables(root, TABLES[family], FAMILIES[family].dims)
