"""What a person sees of a finished experiment in the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avkeras.experiments.detection import DetectionReport
    from avkeras.experiments.tagging import TaggingReport
    from avkeras.features.write_clips import Summary

# of each system of a tagging run
_TAGGING_FILES = (
    "metrics.csv",
    "epochs/",
    "model.keras",
    "predictions.csv",
    "decisions.csv",
    "curves.png",
    "attention/",
    "saved_model/",
)
_DETECTION_FILES = (
    "report.html (curves, classes, thresholds, examples with highest loss, in a browser)",
    "model.keras (the student), teacher.keras, classes.txt, inputs.json (embedders)",
    "tuning.json (audio weight, thresholds, filters), metrics.csv (losses per epoch), config.json",
    "extraction.csv (clips that were padded, cut or failed), left_out.csv",
    "predictions.tsv, ground_truth.tsv, durations.tsv, scores/ (for `avkeras evaluate`), clip_probabilities.csv",
)


def show_tagging_report(report: "TaggingReport") -> None:
    """Shows what an experiment reached, what it left out, and where its files are."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    results = report.results
    _show_summary(console, report.features.summary, report.values.out)
    for system, reason in report.skipped:
        console.print(f"  not trained: {system}: {reason}", markup=False)
    embedders = " and ".join(one.spec.name for one in report.features.embedders.values()) or "levels of sound"
    table = Table(title=f"Micro-F1 on test, {report.manifest.path}, {embedders}")
    accuracy = any(result.accuracy is not None for result in results)
    names = ["system", "micro-F1", "with video", "clips", "threshold", "epochs", *(["accuracy"] * accuracy)]
    for name in names:
        table.add_column(name, justify="left" if name == "system" else "right", no_wrap=True)
    for result in results:
        with_video = "-" if result.f1_with_video is None else f"{100 * result.f1_with_video:.1f} %"
        threshold = f"{result.threshold:.3f}" if isinstance(result.threshold, float) else result.decision
        row = [result.system, f"{100 * result.f1:.1f} %", with_video, str(result.clips), threshold]
        row += [str(result.epochs), *([f"{100 * (result.accuracy or 0):.1f} %"] * accuracy)]
        table.add_row(*row)
    console.print(table)
    for name in report.features.stand_ins:
        console.print(f"{name} is a stand-in, not a pretrained network: these scores say nothing of the papers'.")
    out = report.values.out
    console.print(f"To look at in a browser: {out / 'report.html'}")
    console.print(f"Files: values in {out / 'config.json'}, this table in {out / 'results.csv'}, and per system")
    for result in results:
        files = (name for name in _TAGGING_FILES if (result.folder / name).exists())
        console.print(f"  {result.folder}/: {', '.join(files)}")
    if results:
        best = max(results, key=lambda result: result.f1)
        served = best.folder / "saved_model"
        console.print(f"Your own file: avkeras predict clip.mp4 --model {served if served.is_dir() else best.folder}")


def show_detection_report(report: "DetectionReport") -> None:
    """Shows what a detection experiment reached, what it left out, and where its files are."""
    from rich.console import Console
    from rich.table import Table

    from avkeras.experiments.detection_scores import METRICS

    console = Console(soft_wrap=True, highlight=False)
    out, tuning = report.values.out, report.tuning
    _show_summary(console, report.features.summary, out)
    _show_lines(console, "left out", report.left_out, out / "left_out.csv")
    if report.values.teacher:
        console.print(
            f"unlabelled clips labelled by {report.values.teacher}: {out / 'pseudo_labels.csv'}", markup=False
        )
    if report.cut_events:
        console.print(f"{report.cut_events} events begin after the 10 s that the model sees of their clip")
    if len(tuning.weight_scores) > 1:
        scores = ", ".join(f"{weight}: {100 * value:.1f} %" for weight, value in tuning.weight_scores.items())
        console.print(f"Audio weight {tuning.weight:g}, chosen by EBF1 on validation ({scores})")
    table = Table(title=f"Test clips of {report.manifest.path}, {report.model_name}, in %")
    for name in ("part", "clips", *METRICS):
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    for row in report.rows:
        table.add_row(row["part"], str(row["clips"]), *(f"{100 * row[name]:.1f}" for name in METRICS))
    console.print(table)
    for name in report.features.stand_ins:
        console.print(f"{name} is a stand-in, not a pretrained network: these scores say nothing of the papers'.")
    console.print(f"Files: this table in {out / 'results.csv'}; in {out}/ also")
    for line in _DETECTION_FILES:
        console.print(f"  {line}", markup=False)


def _show_summary(console, summary: "Summary", out) -> None:
    console.print(
        f"\n{summary.clips} clips ({summary.reused} embedded before), {summary.without_video} without video, "
        f"{len(summary.notes)} notes, {len(summary.errors)} errors"
    )
    _show_lines(console, "note", summary.notes, out / "extraction.csv")
    _show_lines(console, "error", summary.errors, out / "extraction.csv")


def _show_lines(console, kind: str, lines: Sequence[tuple[str, str]], file) -> None:
    for clip, line in lines[:5]:
        console.print(f"  {kind}: {clip}: {line}", markup=False)
    if len(lines) > 5:
        console.print(f"  {kind}: ... and {len(lines) - 5} more; see {file}")
