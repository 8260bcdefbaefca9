"""The advice as a value: the ladder, the choice, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from topwork.advising._curve import Forecast
from topwork.advising._describe import Description
from topwork.advising._rung import FeatureSpec, Rung
from topwork.advising._shortlist import Shortlisted
from topwork.errors import DataError


@dataclass(frozen=True)
class Advice:
    """How much of the network to keep.

    Attributes:
        backbone: Which network.
        rungs: The ladder, from cheap to dear, those that were not climbed included.
        choice: Place of the chosen rung; its accuracy is free of the luck of having been chosen.
        runner_up: Place of the next best that could be chosen, so never kNN; None where nothing else was measured.
        tie: Whether the two cannot be told apart on these images.
        spec: What the chosen head reads of the network; the last features where the choice is no probe.
        cut_short: Whether time was what ended the climb, or left a rung out: with more of it the choice may be another.
        stopped: Why it climbed no further: the number that made it stop.
        enough: Training images, those that judge included, with which a fine-tuning that was left out would be expected
            to pay; None where none was left out, or no number would do.
        chance: Accuracy of always naming the largest class.
        learnable: Whether the choice is better than that, beyond chance, or a rare class was learnt.
        description: Of the data.
        forecast: Of more images; None where there were too few to tell, or no time.
        shortlist: Of several backbones.
        changes: What would change the choice, in plain words.
        budget: Seconds there were.
        seconds: Seconds it took, in the run that measured it.
    """

    backbone: str
    rungs: tuple[Rung, ...]
    choice: int
    runner_up: int | None
    tie: bool
    spec: FeatureSpec
    cut_short: bool
    stopped: str
    enough: int | None
    chance: float
    learnable: bool
    description: Description
    forecast: Forecast | None
    shortlist: tuple[Shortlisted, ...]
    changes: tuple[str, ...]
    budget: float
    seconds: float

    @property
    def chosen(self) -> Rung:
        """The rung to stand on."""
        return self.rungs[self.choice]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; ``from_dict`` gives an equal advice back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Advice:
        """What ``to_dict`` gave.

        Raises:
            DataError: A field is missing, unknown or of the wrong kind.
        """
        try:
            forecast = fields["forecast"]
            return cls(
                **{
                    **fields,
                    "rungs": tuple(map(Rung.from_dict, fields["rungs"])),
                    "spec": FeatureSpec(**fields["spec"]),
                    "description": Description.from_dict(fields["description"]),
                    "forecast": None if forecast is None else Forecast.from_dict(forecast),
                    "shortlist": tuple(Shortlisted(**each) for each in fields["shortlist"]),
                    "changes": tuple(fields["changes"]),
                }
            )
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(f"not a saved advice: {error}") from error
