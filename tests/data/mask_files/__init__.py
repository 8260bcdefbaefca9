"""Readers of masks."""
