"""The published study: its tables recomputed, its claims checked, against a run of one's own too.

Importing this package imports neither pandas nor torch.
"""

from cortexscope.audit._audit import audit_study
from cortexscope.audit._document import document_of
from cortexscope.audit._glance import first_screen
from cortexscope.audit._models import StudyModel, published_models
from cortexscope.audit._records import (
    Audit,
    Check,
    Convention,
    GivenFile,
    Judged,
    Quantity,
    WrongFigure,
)
from cortexscope.audit._write import AuditFiles, check_audit_target, write_audit

__all__ = [
    "Audit",
    "AuditFiles",
    "Check",
    "Convention",
    "GivenFile",
    "Judged",
    "Quantity",
    "StudyModel",
    "WrongFigure",
    "audit_study",
    "check_audit_target",
    "document_of",
    "first_screen",
    "published_models",
    "write_audit",
]
