"""Search over thresholds and median filters against calling sed_eval for every setting, in one run.

    python benchmarks/search_vs_sed_eval.py                    # 1168 clips, sed_eval on 4 of 144 settings
    python benchmarks/search_vs_sed_eval.py --clips 100 --settings 144

sed_eval takes about as long for one setting as for another, so its time for all is that of the `--settings` that are
run, spread evenly over the grid, times 144 / settings. Its time is for counting alone: events are decoded before.
The counts of these settings are compared, one by one.
"""

import argparse
import itertools
import time

import numpy as np
from synthetic_detections import detections

from avkeras.evaluation.metrics import event_f1, segment_f1
from avkeras.evaluation.postprocess import FILTERS, THRESHOLDS, decode_events
from avkeras.evaluation.search import search_settings

SED_EVAL = {"event": event_f1, "segment": segment_f1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1168)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--settings", type=int, default=4, help="settings that sed_eval is run on, of 144")
    parser.add_argument("--repeats", type=int, default=5, help="runs of the search; the median is shown")
    arguments = parser.parse_args()

    case = detections(clips=arguments.clips, frames=arguments.frames)
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}
    events = sum(map(len, case.truth))
    print(f"{arguments.clips} clips, {events} events, {len(case.classes)} classes, {arguments.frames} frames")
    grid = list(itertools.product(range(len(THRESHOLDS)), range(len(FILTERS))))
    chosen = [grid[place] for place in np.linspace(0, len(grid) - 1, arguments.settings).astype(int)]

    print(f"{'metric':<10}{'sed_eval, s':>14}{'search, s':>12}{'ratio':>9}   counts")
    totals = np.zeros(2)
    for metrics in (("event",), ("segment",), ("event", "segment")):
        times = []
        for _ in range(arguments.repeats):
            begin = time.perf_counter()
            found = search_settings(case.scores, case.truth, metrics=metrics, **options)
            times.append(time.perf_counter() - begin)
        fast = float(np.median(times))
        if len(metrics) == 2:
            print(f"{'both':<10}{totals[0]:>14.1f}{fast:>12.3f}{totals[0] / fast:>9.0f}")
            continue
        (metric,) = metrics
        slow, equal = 0.0, True
        for i, j in chosen:
            result = found[metric]
            decoded = decode_events(case.scores, thresholds=result.thresholds[i], filters=result.filters[j], **options)
            begin = time.perf_counter()
            report = SED_EVAL[metric](case.truth, decoded, classes=case.classes)
            slow += time.perf_counter() - begin
            counts = [(c.references, c.predicted, c.correct) for c in report.counts.values()]
            equal &= (
                np.stack([result.references, result.predicted[i, j], result.correct[i, j]], axis=1) == counts
            ).all()
        slow *= len(grid) / len(chosen)
        totals += slow, fast
        print(f"{metric:<10}{slow:>14.1f}{fast:>12.3f}{slow / fast:>9.0f}   {'equal' if equal else 'DIFFER'}")


if __name__ == "__main__":
    main()
