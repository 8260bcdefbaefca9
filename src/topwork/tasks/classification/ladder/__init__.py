"""The ladder: climbed from cheap to dear until the next rung is not expected to gain more than it costs.

In: a data set with a training split, backbones, a budget. Out: advice, and what stands on the chosen rung.
"""

from topwork.tasks.classification.ladder._climb import Climbed, climb
from topwork.tasks.classification.ladder._training_features import AdviceOptions

__all__ = ["AdviceOptions", "Climbed", "climb"]
