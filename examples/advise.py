"""How much of a pretrained network should be kept for these images? Measured, not guessed.

python examples/advise.py PHOTOS [SECONDS]
"""

import sys

import topwork

seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
advice = topwork.advise(sys.argv[1], options=topwork.AdviceOptions(budget_seconds=seconds))
for rung in advice.rungs:
    shown = f"{rung.accuracy.value:.1%}" if rung.accuracy else rung.note
    print(f"{'*' if rung is advice.chosen else ' '} {rung.name}: {shown}")
