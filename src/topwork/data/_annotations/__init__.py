"""Formats of annotations: readers and writers of data sets of boxes."""
