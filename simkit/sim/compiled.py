"""How the simulator's functions are compiled.

Only the entry is kept on disk: it holds all it calls. The others are called by compiled code alone, so
that nothing has to be made for calls from Python; both save most of the time of a first run.
"""

import numba

inner = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")
entry = numba.njit(cache=True, no_cfunc_wrapper=True, error_model="numpy")
