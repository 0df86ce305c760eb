"""What a forward pass shows, reduced by metrics while it runs and tabulated when it is over."""

from cortexscope.measure._attach import Probe, attach

__all__ = ["Probe", "attach"]
