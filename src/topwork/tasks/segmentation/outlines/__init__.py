"""Outlines of regions and objects: masks in, polygons along the edges of pixels out, and GeoJSON of them."""

from topwork.tasks.segmentation.outlines._features import features, mask_features
from topwork.tasks.segmentation.outlines._regions import Region, regions_of
from topwork.tasks.segmentation.outlines._written import outlines_lines, write_outlines

__all__ = ["Region", "features", "mask_features", "outlines_lines", "regions_of", "write_outlines"]
