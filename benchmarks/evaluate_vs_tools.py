"""`avkeras evaluate` against sed_eval, psds-eval and sed_scores_eval on the same files: processor time and memory.

    python benchmarks/evaluate_vs_tools.py                     # 1168 clips, 64 frames a clip
    python benchmarks/evaluate_vs_tools.py --frames 156 --repeats 3

Every tool is a process of its own that reads files and says its figures; its seconds are those of the processor (user
and system), its memory is the peak. The command gives what sed_eval (event- and segment-based F1), psds-eval (PSDS1 and
PSDS2, 50 thresholds) and sed_scores_eval (both PSDS over all thresholds) give together. The tools take turns; the least
ratio is shown. Scores and events are synthetic (`synthetic_detections.py`), files of one event per row and one score
file per clip.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from sides import processor
from synthetic_detections import detections

from avkeras.evaluation.files import write_events
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import THRESHOLDS
from avkeras.evaluation.score_files import FrameScores, write_scores

AVKERAS = """
from avkeras.cli import main
main(["evaluate", "found.tsv", "--truth", "truth.tsv", "--durations", "durations.tsv", "--scores", "scores"])
"""
SED_EVAL = """
import warnings
warnings.simplefilter("ignore")
import pandas, sed_eval
def events(path):
    table = pandas.read_csv(path, sep="\\t")
    found = {}
    for row in table.itertuples():
        own = found.setdefault(row.filename, [])
        if isinstance(row.event_label, str):
            own.append({"onset": row.onset, "offset": row.offset, "event_label": row.event_label})
    return found
truth, found = events("truth.tsv"), events("found.tsv")
labels = sorted({event["event_label"] for own in truth.values() for event in own})
metrics = {
    "EBF1": sed_eval.sound_event.EventBasedMetrics(
        labels, t_collar=0.2, percentage_of_length=0.2, empty_system_output_handling="zero_score"
    ),
    "SBF1": sed_eval.sound_event.SegmentBasedMetrics(labels, time_resolution=1.0),
}
for name, metric in metrics.items():
    for clip, own in truth.items():
        if own or found.get(clip):
            metric.evaluate(own, found.get(clip, []))
    kind = "class_wise_average" if name == "EBF1" else "overall"
    print(name, metric.results()[kind]["f_measure"]["f_measure"])
"""
PSDS_EVAL = """
import warnings
warnings.simplefilter("ignore")
from pathlib import Path
import pandas
from psds_eval import PSDSEval
def read(path):
    return pandas.read_csv(path, sep="\\t").dropna()
truth, durations = read("truth.tsv"), pandas.read_csv("durations.tsv", sep="\\t")
points = [read(path) for path in sorted(Path("points").iterdir())]
for name, dtc, gtc, alpha_ct in (("PSDS1", 0.7, 0.7, 0.0), ("PSDS2", 0.1, 0.1, 0.5)):
    evaluator = PSDSEval(dtc, gtc, 0.3, ground_truth=truth, metadata=durations)
    for point in points:
        evaluator.add_operating_point(point)
    print(name, evaluator.psds(alpha_ct=alpha_ct, alpha_st=1.0, max_efpr=100).value)
"""
SED_SCORES_EVAL = """
import warnings
warnings.simplefilter("ignore")
from sed_scores_eval import intersection_based
for name, dtc, gtc, cttc, alpha_ct in (("PSDS1_all", 0.7, 0.7, None, 0.0), ("PSDS2_all", 0.1, 0.1, 0.3, 0.5)):
    value, *_ = intersection_based.psds(
        scores="scores", ground_truth="truth.tsv", audio_durations="durations.tsv", dtc_threshold=dtc,
        gtc_threshold=gtc, cttc_threshold=cttc, alpha_ct=alpha_ct, alpha_st=1.0, unit_of_time="hour", max_efpr=100,
    )
    print(name, value)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1168)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=2, help="rounds; in each every tool runs once")
    arguments = parser.parse_args()

    tools = {"avkeras evaluate": AVKERAS, "sed_eval": SED_EVAL}
    tools |= {"psds-eval": PSDS_EVAL} if importlib.util.find_spec("psds_eval") else {}
    tools |= {"sed_scores_eval": SED_SCORES_EVAL} if importlib.util.find_spec("sed_scores_eval") else {}
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), arguments.clips, arguments.frames)
        rounds = [{name: run(code, folder) for name, code in tools.items()} for _ in range(arguments.repeats)]
    print(f"{arguments.clips} clips of {arguments.frames} frames; {processor()}")
    for name in tools:
        seconds = [one[name][0] for one in rounds]
        print(f"{name:<18}{min(seconds):7.2f} to {max(seconds):.2f} s  {max(one[name][1] for one in rounds):6.0f} MB")
    own = [one["avkeras evaluate"][0] for one in rounds]
    for peers in (("sed_eval", "psds-eval"), ("sed_scores_eval",)):
        if set(peers) <= set(tools):
            ratios = [sum(one[peer][0] for peer in peers) / mine for one, mine in zip(rounds, own, strict=True)]
            print(f"{' + '.join(peers)}: at least {min(ratios):.1f} times the processor time of avkeras evaluate")
    figures: dict[str, list[tuple[float, str]]] = {}
    for name, (_, _, output) in rounds[0].items():
        for figure, value in re.findall(r"^([CSE]BF1|PSDS\w+) +([\d.]+)", output, flags=re.MULTILINE):
            figures.setdefault(figure, []).append((float(value), name))
    for figure, values in figures.items():
        print(f"{figure:<10}" + ", ".join(f"{value:.6f} ({name})" for value, name in values))


def write_files(folder: Path, clips: int, frames: int) -> None:
    case = detections(clips=clips, frames=frames)
    names = tuple(f"clip{number:05}" for number in range(clips))
    options = {"classes": case.classes, "seconds_per_frame": case.seconds_per_frame, "durations": case.durations}

    def write(path, events):
        write_events(path, {f"{name}.wav": own for name, own in zip(names, events, strict=True)})

    write(folder / "truth.tsv", case.truth)
    write(folder / "found.tsv", decode_events(case.scores, thresholds=0.5, **options))
    (folder / "points").mkdir()
    for threshold in THRESHOLDS:
        write(folder / "points" / f"{threshold:.2f}.tsv", decode_events(case.scores, thresholds=threshold, **options))
    rows = [f"{name}.wav\t{seconds}\n" for name, seconds in zip(names, case.durations, strict=True)]
    (folder / "durations.tsv").write_text("filename\tduration\n" + "".join(rows))
    write_scores(
        folder / "scores", FrameScores(names, case.classes, case.scores, case.seconds_per_frame, case.durations)
    )


def run(code: str, folder: str) -> tuple[float, float, str]:
    """Processor seconds and peak megabytes of a Python process, and what it printed."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=folder, stdout=output, env={**os.environ, "PYTHONPATH": path}
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            raise SystemExit(f"a tool failed:\n{code}")
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read()


if __name__ == "__main__":
    main()
