"""The gallery: embeddings and names of those that are known. In: embeddings. Out: who is most like them.

Arrays, names and files; nothing here knows of images or networks, and no image is kept. Embeddings are personal data:
files can be read by their owner alone, and what is removed is gone from all of them.
"""

from topwork.tasks.recognition.gallery._gallery import FOLDER, Gallery, Match
from topwork.tasks.recognition.gallery._lock import is_bare, kept_empty

__all__ = ["FOLDER", "Gallery", "Match", "is_bare", "kept_empty"]
