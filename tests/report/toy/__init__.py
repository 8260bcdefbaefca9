"""A section of a model's page as a task would bring it: a template and texts."""
