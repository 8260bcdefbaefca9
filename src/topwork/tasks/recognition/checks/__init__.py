"""The data doctor's questions to images by identity."""

from topwork.checking import Check, check_copies, check_files, check_label_conflicts, check_leaks, check_pictures
from topwork.tasks.recognition.checks._faces import check_faces
from topwork.tasks.recognition.checks._identities import BLOCKING, check_identities, check_lookalikes, check_sessions

QUICK_CHECKS: tuple[Check, ...] = (
    check_files,
    check_copies,
    check_label_conflicts,
    check_leaks,
    check_identities,
    check_sessions,
    check_pictures,
)
"""What is asked without a network."""

CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_faces, check_lookalikes)
"""All that is asked."""

__all__ = ["BLOCKING", "CHECKS", "QUICK_CHECKS"]
