"""What would change the choice, in plain words with the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topwork.advising._advice import Advice


def changes(advice: Advice) -> tuple[str, ...]:
    """One sentence for each thing that would change the choice."""
    found = []
    if not advice.learnable:
        found.append(
            f"Nothing has been learnt: {advice.chosen.name} is not better than always naming the largest class "
            f"({advice.chance:.1%}), beyond chance. Look at the labels."
        )
    chosen, other = advice.chosen, advice.rungs[advice.runner_up] if advice.runner_up is not None else None
    if advice.tie and other is not None and other.accuracy is not None and chosen.accuracy is not None:
        found.append(
            f"{other.name} ({other.accuracy.value:.1%}) and {chosen.name} ({chosen.accuracy.value:.1%}) cannot be told "
            f"apart on {min(other.images, chosen.images)} images: more of them might turn it."
        )
    if not any(rung.note and rung.note in advice.stopped for rung in advice.rungs):
        found.append(f"It climbed no further: {advice.stopped}.")
    if advice.enough is not None:
        found.append(
            f"With about {advice.enough:,} training images, and the same errors, fine-tuning would be worth a try."
        )
    if advice.cut_short:
        found.append("More time might change it: --budget.")
    return tuple(found)
