"""Who does the jobs of a run: one file a backend, and one row here."""

from cortexscope.engine.backends._backend import Backend, Means
from cortexscope.registry import Registry

__all__ = ["BACKENDS", "Backend", "Means"]

BACKENDS = Registry(
    "backend",
    {
        "local": "cortexscope.engine.backends.local:Local",
        "ray": "cortexscope.engine.backends.ray:OnRay",
    },
)
"""By name; a class that is made with `Means`."""
