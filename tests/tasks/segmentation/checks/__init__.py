"""The data doctor of masks."""
