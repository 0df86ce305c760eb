"""Plan a run, have its jobs done, and store what is measured.

What needs torch, or statistics, is imported when it is used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
