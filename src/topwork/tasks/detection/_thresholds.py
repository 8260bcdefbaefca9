"""From which score on a detector tells of an object: what can be asked of the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from topwork._options import Option
from topwork.errors import DataError


@dataclass(frozen=True)
class ThresholdOptions:
    """How the threshold of each class is chosen, on validation images: by the highest F1, or by a wanted recall.

    Raises:
        DataError: A recall that is none.
    """

    recall: Annotated[
        float | None,
        Option(
            "Choose thresholds that find this share of the objects of each class, such as 0.95, at the fewest false "
            "alarms; thresholds have the highest F1 if not given.",
            takes="a number more than 0 and less than 1",
            gt=0,
            lt=1,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.recall is not None and not (isinstance(self.recall, float) and 0 < self.recall < 1):
            raise DataError(f"recall must be a number above 0 and below 1, not {self.recall!r}", hint="such as 0.95")

    def require(self, dataset: Any) -> None:
        """Any data will do."""
