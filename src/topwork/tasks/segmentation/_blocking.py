"""Findings of the doctor of masks that may stop a fit."""

BLOCKING = (
    "group-in-two-splits",
    "leakage",
    "mask-conflicts",
    "masks-of-another-size",
    "masks-that-cannot-be-read",
    "masks-turned",
    "masks-with-unknown-values",
    "shifted-masks",
    "tiles-in-two-splits",
)
"""Their names: ``--allow`` takes these."""
