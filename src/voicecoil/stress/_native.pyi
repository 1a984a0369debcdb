"""Types of the native callback; its docstrings are in ``_native.pyx``."""

BUCKETS: int

def silence_address() -> int: ...
