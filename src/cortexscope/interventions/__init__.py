"""Change a part of a model: what is changed, where and how much, as data that can be taken back.

`Change.of("layers:12")` says it, `with change.applied(model):` does it. A kind of edit is one file
here and one row in `EDITS`.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
