"""Intervals of a detector's figures: one matching counted anew for each resample, beside evaluating each resample.

    PYTHONPATH=. python bench/detection_figures.py [--images 1000] [--resamples 500]

The plain way draws the images anew and gives them to faster-coco-eval; it is done five times, and told for all
resamples. Objects and detections are those of the tests, from a seed, about 48 detections an image in ten classes.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from tests.metrics.detection import coco, simulate

from _report import header, table
from topwork.metrics import detection_report

CLASSES, PLAIN = 10, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    options = parser.parse_args()
    truth, found = simulate(1, images=options.images, classes=CLASSES, strange=90)
    start = time.process_time()
    detection_report(truth, found, [str(place) for place in range(CLASSES)], resamples=options.resamples)
    ours = time.process_time() - start
    rng, start = np.random.default_rng(0), time.process_time()
    for _ in range(PLAIN):
        drawn = rng.integers(0, options.images, options.images)
        coco([truth[row] for row in drawn], [found[row] for row in drawn], CLASSES)
    one = (time.process_time() - start) / PLAIN
    print(header(f"{options.images} images, {sum(map(len, found))} detections, {options.resamples} resamples"))
    rows = [
        ("one evaluation by faster-coco-eval", f"{one:.2f}", "1"),
        ("the plain way, told from five", f"{one * options.resamples:.0f}", f"{options.resamples}"),
        ("detection_report", f"{ours:.2f}", f"{ours / one:.1f}"),
    ]
    print(table(("way", "seconds of one core", "evaluations"), rows))


if __name__ == "__main__":
    main()
