"""PSDS at 50 thresholds in one pass against psds-eval, in one run.

    python benchmarks/psds_vs_psds_eval.py                     # 1168 clips
    python benchmarks/psds_vs_psds_eval.py --clips 100

The vectorised time begins with the frame scores. That of psds-eval begins with the tables of events (`from tables`);
`from scores` adds what it takes to decode them.
"""

import argparse
import time

import numpy as np
from synthetic_detections import detections

from avkeras.evaluation.operating_points import operating_points
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, THRESHOLDS, psds
from avkeras.evaluation.reference_psds import reference_psds

FILTER = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1168)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5, help="runs of the vectorised PSDS; the median is shown")
    arguments = parser.parse_args()

    case = detections(clips=arguments.clips, frames=arguments.frames)
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    begin = time.perf_counter()
    tables = [decode_events(case.scores, thresholds=value, filters=FILTER, **options) for value in THRESHOLDS]
    decoding = time.perf_counter() - begin
    found = sum(len(events) for table in tables for events in table)
    print(f"{arguments.clips} clips, {sum(map(len, case.truth))} events, {found} detections at 50 thresholds")

    print(f"{'':<8}{'psds-eval, s':>26}{'one pass, s':>13}{'ratio':>20}   difference")
    print(f"{'':<8}{'from tables':>13}{'from scores':>13}{'':>13}{'tables':>10}{'scores':>10}")
    for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        times = []
        for _ in range(arguments.repeats):
            begin = time.perf_counter()
            points = operating_points(case.scores, case.truth, filters=FILTER, settings=settings, **options)
            value = psds(points, settings)
            times.append(time.perf_counter() - begin)
        fast = float(np.median(times))
        begin = time.perf_counter()
        expected = reference_psds(case.truth, tables, classes=case.classes, durations=case.durations, settings=settings)
        slow = time.perf_counter() - begin
        print(
            f"{name:<8}{slow:>13.2f}{slow + decoding:>13.2f}{fast:>13.3f}{slow / fast:>10.0f}"
            f"{(slow + decoding) / fast:>10.0f}   {abs(value - expected):.1e} ({value:.4f})"
        )


if __name__ == "__main__":
    main()
