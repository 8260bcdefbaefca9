"""What others may watch of a fit: a run begins, has figures and files, and ends. Nothing is sent unasked.

:class:`Tracking` takes events and hands them to trackers, each on a thread of its own: a tracker that is slow, fails or
is not there stops no training. A tracker is told by its name (``tracker``): MLflow, TensorBoard, Weights & Biases,
Trackio; its package is loaded when it is named. Whatever keeps to :class:`Tracker` is one.
"""

from topwork.tracking._events import Artefact, Begun, Ended, Event, Figures
from topwork.tracking._trackers import NAMES, Opened, Tracker, tracker
from topwork.tracking._tracking import Tracking

__all__ = [
    "NAMES",
    "Artefact",
    "Begun",
    "Ended",
    "Event",
    "Figures",
    "Opened",
    "Tracker",
    "Tracking",
    "tracker",
]
