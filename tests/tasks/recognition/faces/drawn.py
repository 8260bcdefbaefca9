"""A face that is drawn, plain enough to be nobody's: the detector finds it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def drawn_face() -> Any:
    """uint8 (320, 300, 3): eyes, brows, nose and mouth."""
    image = Image.new("RGB", (300, 320), (90, 90, 90))
    pen = ImageDraw.Draw(image)
    pen.ellipse((70, 40, 230, 270), fill=(205, 180, 165))
    for x in (115, 185):
        pen.ellipse((x - 20, 128, x + 20, 150), fill=(110, 85, 75))
        pen.ellipse((x - 15, 132, x + 15, 148), fill=(235, 235, 235))
        pen.ellipse((x - 8, 132, x + 8, 148), fill=(40, 30, 30))
        pen.rectangle((x - 24, 112, x + 24, 119), fill=(70, 50, 40))
    pen.polygon([(150, 140), (136, 190), (164, 190)], fill=(180, 150, 135))
    pen.ellipse((136, 182, 164, 196), fill=(140, 105, 95))
    pen.ellipse((115, 212, 185, 236), fill=(140, 70, 70))
    pen.rectangle((118, 222, 182, 225), fill=(60, 30, 30))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(3)))
