"""Compare models: what they predict and hold of the same prompts, and whether that may be shipped.

An ordinary run measures all models; then each reads the prompts again beside the one that it is
compared with. What is said of both is a part of the run folder, which `analysis` makes tables of.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
