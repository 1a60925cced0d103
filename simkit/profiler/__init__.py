"""A stand-in for Dynamo's profiler container: a DGDR spec in, final_config.yaml and a status file out.

Thin: `__main__` reads the command line and ends the process, `job` calls the verbs phase by phase,
`status` writes what the operator's sidecar reads.
"""
