"""The ways to a recogniser."""

from __future__ import annotations

from topwork.tasks._task import Strategy
from topwork.tasks.recognition._fit import fit_recogniser
from topwork.tasks.recognition._options import RecognitionOptions

STRATEGIES = (
    Strategy(
        "probe",
        "Keep the network, and choose on held-out identities which features are compared and how.",
        RecognitionOptions,
        fit_recogniser,
    ),
)
