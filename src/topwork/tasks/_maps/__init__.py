"""What detection and segmentation share: tasks whose head reads whole maps of a network's stages.

In: maps, images in squares, records. Out: what both rooms say and do alike with them; boxes and masks are theirs. It
imports no task and is opened module by module, since a prediction needs little of it.
"""
