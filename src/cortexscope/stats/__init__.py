"""Statistics over measured values: numpy, scipy and scikit-learn, never torch.

What needs pandas or scipy is imported when it is used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
