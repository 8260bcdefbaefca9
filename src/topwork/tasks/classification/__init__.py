"""Classification: an image and one of several classes."""
