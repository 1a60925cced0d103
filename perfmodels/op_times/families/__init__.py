"""Operator families: one module each, and all of them by name."""

from types import MappingProxyType

from perfmodels.op_times.families.attention import ATTENTION_DECODE, ATTENTION_PREFILL
from perfmodels.op_times.families.comm import (
    ALL_GATHER,
    ALL_REDUCE,
    ALL_TO_ALL,
    EP_COMBINE,
    EP_COMBINE_LL,
    EP_DISPATCH,
    EP_DISPATCH_LL,
    REDUCE_SCATTER,
)
from perfmodels.op_times.families.elementwise import MHC, QUANTISE
from perfmodels.op_times.families.gemm import GEMM
from perfmodels.op_times.families.linear import LINEAR_DECODE, LINEAR_PREFILL
from perfmodels.op_times.families.mla import (
    MLA_BMM,
    MLA_DECODE,
    MLA_MODULE_DECODE,
    MLA_MODULE_PREFILL,
    MLA_PREFILL,
)
from perfmodels.op_times.families.moe import MOE
from perfmodels.op_times.families.sparse import DSA_PREFILL, SPARSE_DECODE, SPARSE_PREFILL
from perfmodels.op_times.family import OpFamily

_ALL: tuple[OpFamily, ...] = (
    GEMM, ATTENTION_PREFILL, ATTENTION_DECODE, MLA_PREFILL, MLA_DECODE, MLA_BMM, MLA_MODULE_PREFILL,
    MLA_MODULE_DECODE, MOE, LINEAR_PREFILL, LINEAR_DECODE, DSA_PREFILL, SPARSE_PREFILL, SPARSE_DECODE,
    QUANTISE, MHC, ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, ALL_TO_ALL, EP_DISPATCH, EP_COMBINE,
    EP_DISPATCH_LL, EP_COMBINE_LL,
)  # fmt: skip

FAMILIES = MappingProxyType({family.name: family for family in _ALL})
