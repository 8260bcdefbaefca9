"""Checking: the data doctor. Finds what would spoil a model, or make its figures untrue, before it is trained.

In: a data set, a backbone, and checks: functions from what was ``Examined`` to findings. Out: a ``Checkup``: findings
in plain words with their cases, the features that were made on the way, and the data set without its bad rows. Nothing
of the user's is ever touched. A task lists the checks that its data needs, its own among them.
"""

from topwork.checking._check import FULL_CHECKS, QUICK_CHECKS, Checkup, check, vet
from topwork.checking._examined import Check, Examined
from topwork.checking._files import ABOUT_FILES, check_files
from topwork.checking._finding import BLOCKING, Case, Finding, Severity, require_blocking
from topwork.checking._labels import check_classes, check_labels
from topwork.checking._leaks import check_copies, check_label_conflicts, check_leaks
from topwork.checking._pictures import check_pictures
from topwork.checking._shortcuts import check_shortcuts

__all__ = [
    "ABOUT_FILES",
    "BLOCKING",
    "Case",
    "Check",
    "Checkup",
    "Examined",
    "FULL_CHECKS",
    "Finding",
    "QUICK_CHECKS",
    "Severity",
    "check",
    "check_classes",
    "check_copies",
    "check_files",
    "check_label_conflicts",
    "check_labels",
    "check_leaks",
    "check_pictures",
    "check_shortcuts",
    "require_blocking",
    "vet",
]
