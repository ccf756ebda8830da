"""Seconds of the bootstrap: 1000 resamples of 1168 clips, figure by figure.

    python benchmarks/bootstrap.py

Times are those of the processor, and begin where the counts of every clip are there.
"""

import argparse
import resource
import time

from exact_psds_vs_sed_scores_eval import processor
from synthetic_detections import detections

from avkeras.evaluation.all_thresholds import detections_at_all_thresholds, frame_segments
from avkeras.evaluation.bootstrap import bootstrap
from avkeras.evaluation.clip_counts import event_counts, segment_counts
from avkeras.evaluation.exact_events import event_changes
from avkeras.evaluation.exact_psds import intersection_changes
from avkeras.evaluation.exact_segments import segment_changes
from avkeras.evaluation.operating_points import changes_of_detections
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2
from avkeras.evaluation.resampled_figures import AurocFigure, BestF1Figure, F1Figure, PsdsFigure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1168)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    case = detections(clips=arguments.clips)
    options = {"classes": case.classes}
    frames = {"seconds_per_frame": case.seconds_per_frame, **options}
    found = decode_events(case.scores, **frames)
    segments = frame_segments(case.scores, **frames)
    every = detections_at_all_thresholds(segments)
    figures = {
        "event-based F1": F1Figure(event_counts(case.truth, found, **options)),
        "segment-based F1": F1Figure(segment_counts(case.truth, found, **options)),
    }
    options["durations"] = case.durations
    for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        points = changes_of_detections(every, case.truth, settings=settings, **options)
        figures[f"{name}, 50 thresholds"] = PsdsFigure(points, settings)
        tolerances = {"dtc": settings.dtc, "gtc": settings.gtc, "cttc": settings.cttc}
        changes = intersection_changes(segments, case.truth, detections=every, **tolerances, **options)
        figures[f"{name}, all thresholds"] = PsdsFigure(changes, settings)
    active = segment_changes(segments, case.truth, **options)
    events = event_changes(segments, case.truth, classes=case.classes, detections=every)
    figures |= {"event-based F1, best thresholds": BestF1Figure(events)}
    figures |= {"segment-based F1, best thresholds": BestF1Figure(active)}
    figures |= {"mAUC": AurocFigure(active), "mpAUC": AurocFigure(active, 0.1)}

    print(f"{processor()}, {arguments.resamples} resamples of {arguments.clips} clips")
    total = 0.0
    for name, figure in figures.items():
        begin = time.process_time()
        intervals = bootstrap({name: figure}, resamples=arguments.resamples)[name]
        seconds = time.process_time() - begin
        total += seconds
        interval = next(iter(intervals.values()))
        print(f"{name:<35}{seconds:>7.2f} s   {interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'all':<35}{total:>7.2f} s   peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
