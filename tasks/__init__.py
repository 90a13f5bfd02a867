"""The steps of a sweep: Prefect tasks in this folder's modules, Prefect-free science in its subpackages."""
