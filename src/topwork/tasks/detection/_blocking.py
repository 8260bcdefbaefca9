"""Findings of the doctor of boxes that may stop a fit."""

BLOCKING = (
    "annotations-without-boxes",
    "box-conflicts",
    "boxes-beyond-image",
    "boxes-in-fractions",
    "boxes-in-other-units",
    "boxes-of-unknown-class",
    "boxes-without-numbers",
    "empty-boxes",
    "group-in-two-splits",
    "leakage",
    "masks-without-boxes",
    "nearly-equal-boxes",
    "other-box-flaws",
    "outside-boxes",
    "swapped-boxes",
)
"""Their names: ``--allow`` takes these."""
