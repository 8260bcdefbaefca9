"""Checking: the data doctor. Finds what would spoil a model, or make its figures untrue, before it is trained.

In: a data set, a backbone, and checks: functions from what was ``Examined`` to findings. Out: a ``Checkup``: findings
in plain words with their cases, the features that were made on the way, and the data set without its bad rows. Nothing
of the user's is ever touched. A task lists the checks that its data needs, its own among them.
"""

from topwork.checking._check import FULL_CHECKS, QUICK_CHECKS, Checkup, check, vet
from topwork.checking._examined import IMAGES, Check, Examination, Examined, Survey
from topwork.checking._files import ABOUT_FILES, check_files, check_left_out
from topwork.checking._finding import (
    BLOCKING,
    MOST_CASES,
    Case,
    Finding,
    Severity,
    number,
    ranked,
    require_blocking,
    share,
    worst,
)
from topwork.checking._labels import check_classes, check_labels
from topwork.checking._leaks import check_copies, check_label_conflicts, check_leaks
from topwork.checking._near_duplicates import Embedding, Joined, NearDuplicates
from topwork.checking._pictures import check_pictures
from topwork.checking._probe import fit_noise
from topwork.checking._shortcuts import check_shortcuts, telling

__all__ = [
    "ABOUT_FILES",
    "BLOCKING",
    "Case",
    "Check",
    "Checkup",
    "Embedding",
    "Examination",
    "Examined",
    "FULL_CHECKS",
    "Finding",
    "IMAGES",
    "Joined",
    "MOST_CASES",
    "NearDuplicates",
    "QUICK_CHECKS",
    "Severity",
    "Survey",
    "check",
    "check_classes",
    "check_copies",
    "check_files",
    "check_label_conflicts",
    "check_labels",
    "check_leaks",
    "check_left_out",
    "check_pictures",
    "check_shortcuts",
    "fit_noise",
    "number",
    "ranked",
    "require_blocking",
    "share",
    "telling",
    "vet",
    "worst",
]
