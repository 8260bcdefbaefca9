"""Readers of a model folder, written from docs/format.md and docs/format-tasks.md alone; topwork is imported nowhere.

NumPy does what the pages tell. timm runs the backbone, whose names they give; SciPy and scikit-image have the distance
and the watershed that they name, and Pillow resizes.
"""
