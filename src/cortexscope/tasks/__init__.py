"""Prompts grouped by cognitive task: how suites are read, hashed, checked and controlled.

What reads files is imported when it is used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
