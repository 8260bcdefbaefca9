"""Tasks: what a model is asked, one room each; the rooms below receive what they need of one and know none."""
