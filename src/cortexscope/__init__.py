"""See what happens inside a language model while it reads.

    profile       measure models on a suite of prompts, and read the result
    open_profile  read the result of an earlier run
    compare       compare models: what they predict, what they hold, every metric
    attach        measure inside a loop of your own
    Change        what is changed of a model, applied for a while and taken back
    selfcheck     prove on a model itself that it is measured rightly
    load_model    a model by its reference, as cortexscope loads it
    load_suite    a suite of prompts by name or path

Importing this package imports none of torch, pandas or matplotlib; each comes when it is used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
