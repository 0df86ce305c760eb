"""Who does the jobs of a run: one file a backend, and one row here."""

from cortexscope.engine.backends._backend import Backend
from cortexscope.registry import Registry

__all__ = ["BACKENDS", "Backend"]

BACKENDS = Registry("backend", {"local": "cortexscope.engine.backends.local:Local"})
"""By name; a class that is made with the `advance` and `opened` of `Local`."""
