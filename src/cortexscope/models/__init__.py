"""Models: what a reference means, where its files are, and the module that holds its weights.

Nothing that needs torch is imported before one of these names is used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
