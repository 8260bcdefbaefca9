"""Objects that touch: told apart, and measured.

- `border_targets` and `depth_targets` give what a network learns: where objects touch, or how deep pixels lie in them;
- `split_objects` makes objects of its probabilities by a watershed, with a `Splitting` that `fit_splitting` chooses;
- `measured` gives each object's size and form.
"""

from ._fit import fit_splitting
from ._measured import MeasuredObject, measured
from ._split import Splitting, split_objects
from ._targets import border_targets, depth_targets

__all__ = [
    "MeasuredObject",
    "Splitting",
    "border_targets",
    "depth_targets",
    "fit_splitting",
    "measured",
    "split_objects",
]
