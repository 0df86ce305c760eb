"""Take parts out of a model one by one, and measure what each is needed for.

The pass is shared: what blocks before a change gave is given again, and not computed.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
