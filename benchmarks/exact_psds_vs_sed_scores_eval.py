"""PSDS over all thresholds against sed_scores_eval, in one run.

    python benchmarks/exact_psds_vs_sed_scores_eval.py             # 1168 clips x 64 frames x 10 classes
    python benchmarks/exact_psds_vs_sed_scores_eval.py --clips 100

Both begin with scores in memory, sed_scores_eval with its tables; each scenario is computed on its own. They take
turns, and times are those of the processor; the least ratio of the rounds is what counts.
"""

import argparse
import time
import warnings

import numpy as np
from sides import processor
from synthetic_detections import detections

from avkeras.evaluation.all_thresholds import frame_segments
from avkeras.evaluation.exact_psds import exact_psds
from avkeras.evaluation.psds import PSDS1, PSDS2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1168)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sed_scores_eval.base_modules.scores import create_score_dataframe
        from sed_scores_eval.intersection_based import psds

    case = detections(clips=arguments.clips, frames=arguments.frames)
    times = np.arange(arguments.frames + 1) * case.seconds_per_frame
    names = [f"{clip:05d}" for clip in range(arguments.clips)]
    tables = {
        name: create_score_dataframe(scores, times, list(case.classes))
        for name, scores in zip(names, case.scores, strict=True)
    }
    truth = {name: [tuple(event) for event in events] for name, events in zip(names, case.truth, strict=True)}
    seconds = dict(zip(names, case.durations.tolist(), strict=True))

    print(f"{processor()}, {arguments.clips} clips x {arguments.frames} frames x {len(case.classes)} classes")
    for name, settings in (("PSDS1", PSDS1), ("PSDS2", PSDS2)):
        ratios, difference = [], 0.0
        for _ in range(arguments.rounds):
            begin = time.process_time()
            segments = frame_segments(case.scores, classes=case.classes, seconds_per_frame=case.seconds_per_frame)
            value = exact_psds(
                segments, case.truth, classes=case.classes, durations=case.durations, settings=settings
            ).score
            middle = time.process_time()
            expected, *_ = psds(
                tables,
                truth,
                seconds,
                dtc_threshold=settings.dtc,
                gtc_threshold=settings.gtc,
                cttc_threshold=settings.cttc if settings.alpha_ct else None,
                alpha_ct=settings.alpha_ct,
                alpha_st=settings.alpha_st,
                max_efpr=settings.max_efpr,
            )
            own, peer = middle - begin, time.process_time() - middle
            ratios.append(peer / own)
            difference = max(difference, abs(value - expected))
            print(f"{name}: sed_scores_eval {peer:.2f} s, avkeras {own:.3f} s, {peer / own:.1f} times")
        print(f"{name}: least ratio {min(ratios):.1f}, difference {difference:.1e}")


if __name__ == "__main__":
    main()
