"""Prove on a model itself that what is measured of it is right; a plain name is a check."""

from cortexscope.selfchecks._run import check_quickly, selfcheck
from cortexscope.selfchecks.cause import UNSEEN

__all__ = ["UNSEEN", "check_quickly", "selfcheck"]
