"""Formats of masks: readers of data sets in which every pixel has a class."""
