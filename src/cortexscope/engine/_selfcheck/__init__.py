"""Prove on a model itself that what is measured of it is right; a plain name is a check."""

from cortexscope.engine._selfcheck._run import check_quickly, selfcheck

__all__ = ["check_quickly", "selfcheck"]
