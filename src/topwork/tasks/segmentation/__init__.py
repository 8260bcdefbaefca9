"""Segmentation: what every pixel belongs to."""
