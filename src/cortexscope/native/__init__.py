"""What is computed by compiled code where that was built, and by torch or numpy where it was not.

A name is imported when it is used, since statistics need no torch.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
