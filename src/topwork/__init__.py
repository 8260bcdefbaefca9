"""topwork: keep a pretrained backbone, give it a new head."""
