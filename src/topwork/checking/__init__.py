"""Checking: the data doctor. Finds what would spoil a model, or make its figures untrue, before it is trained.

In: a data set, a backbone. Out: a ``Checkup``: findings in plain words with their cases, the features that were made
on the way, and the data set without its bad rows. Nothing of the user's is ever touched.
"""

from topwork.checking._check import check, vet
from topwork.checking._checkup import Checkup
from topwork.checking._files import ABOUT_FILES
from topwork.checking._finding import BLOCKING, Case, Finding, Severity

__all__ = ["ABOUT_FILES", "BLOCKING", "Case", "Checkup", "Finding", "Severity", "check", "vet"]
