"""What the data doctor asks of images with masks so far: what it asks of all images."""

from __future__ import annotations

from topwork.checking import Check, check_copies, check_files, check_leaks, check_pictures

QUICK_CHECKS: tuple[Check, ...] = (check_files, check_copies, check_leaks, check_pictures)
CHECKS: tuple[Check, ...] = QUICK_CHECKS
