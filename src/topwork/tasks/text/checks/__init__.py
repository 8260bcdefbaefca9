"""The data doctor of texts: how texts are looked at, and what is asked of them.

In: a data set of texts. Out: ``TEXTS``, the examination that ``topwork.checking`` makes, and the checks: functions from
what was examined to findings. Those on copies, leaks, classes and labels are ``checking``'s own.
"""

from topwork.checking import (
    Check,
    Examination,
    check_classes,
    check_copies,
    check_label_conflicts,
    check_labels,
    check_leaks,
    check_left_out,
)
from topwork.tasks.text.checks._duplicates import duplicates
from topwork.tasks.text.checks._scripts import check_scripts
from topwork.tasks.text.checks._shortcuts import check_shortcuts
from topwork.tasks.text.checks._survey import TextSurvey, survey
from topwork.tasks.text.checks._texts import check_empty, check_encoding, check_forms, check_markup, check_personal
from topwork.tasks.text.checks._truncation import check_truncation

__all__ = [
    "CHECKS",
    "QUICK_CHECKS",
    "TEXTS",
    "TextSurvey",
    "check_empty",
    "check_encoding",
    "check_forms",
    "check_markup",
    "check_personal",
    "check_scripts",
    "check_shortcuts",
    "check_truncation",
    "duplicates",
    "survey",
]


def _default_backbone(seen: TextSurvey) -> object:
    from topwork.backbones import load_text

    return load_text()


TEXTS = Examination(survey, duplicates, _default_backbone, "text")
"""How texts are looked at."""

QUICK_CHECKS: tuple[Check, ...] = (
    check_left_out,
    check_copies,
    check_label_conflicts,
    check_leaks,
    check_classes,
    check_shortcuts,
    check_forms,
    check_empty,
    check_encoding,
    check_markup,
    check_scripts,
    check_truncation,
    check_personal,
)
"""What is asked of texts with one class each without a network, in one quick look at every text."""

CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_labels)
"""All that is asked of texts with one class each."""
