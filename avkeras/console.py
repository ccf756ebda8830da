"""What a person sees in the terminal: progress bars, the table at the end, one line per error."""

import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    from avkeras.evaluation.evaluate import Evaluation
    from avkeras.experiments.audio_tagging import AudioTagging, Report
    from avkeras.experiments.predict import Prediction
    from avkeras.experiments.predict_events import EventPrediction
    from avkeras.experiments.sound_event_detection import DetectionReport, SoundEventDetection
    from avkeras.features.extract import Summary


@contextmanager
def one_line_errors():
    """Ends the program with the text of an `AvkerasError`, without a traceback; TensorFlow tells errors only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        yield
    except AvkerasError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")


@contextmanager
def progress_bars():
    """Gives a function from the name of a long step to a callback `(done, in all)` that moves its bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def step(name: str) -> Callable[[int, int], None]:
            task = bars.add_task(name, total=None, visible=False)

            def moved(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total, visible=True)
                if done == total:
                    bars.stop_task(task)

            return moved

        yield step


def run_recipe(
    presets: Mapping[str, "AudioTagging"], *, description: str, arguments: Sequence[str] | None = None
) -> None:
    """Reads the command line over a recipe's presets, runs the 2019 experiment and shows its table.

    Args:
        presets: values by name; `demo` is the default without `--data`, `paper` with it.
        description: for `--help`.
        arguments: of the command line; default: the program's.
    """
    lists = {
        "embedders": {"nargs": 2, "metavar": ("AUDIO", "VIDEO"), "help": "names, TF Hub handles or folders"},
        "systems": {"nargs": "+", "help": "which to train: audio, video, audio+video"},
    }
    if (os.cpu_count() or 1) <= 2:
        # These models' operations are small: threads inside them cost more than they give (benchmarks/README.md).
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    with one_line_errors():
        values = _parse(presets, description, arguments, default="demo", lists=lists)
        from avkeras.experiments.audio_tagging import run_audio_tagging

        with progress_bars() as step:
            report = run_audio_tagging(values, progress=step, verbose=_verbose())
        show_report(report)


def run_detection_recipe(
    presets: Mapping[str, "SoundEventDetection"], *, description: str, arguments: Sequence[str] | None = None
) -> None:
    """Reads the command line over a recipe's presets, runs the 2022 experiment and shows its table.

    Args:
        presets: values by name; `small` is the default without `--data`, `paper` with it.
        description: for `--help`.
        arguments: of the command line; default: the program's.
    """
    lists = {
        "visual": {
            "nargs": "*",
            "help": "embedders of the pictures: names, TF Hub handles or folders; none: audio only",
        }
    }
    with one_line_errors():
        values = _parse(presets, description, arguments, default="small", lists=lists)
        from avkeras.experiments.sound_event_detection import run_sound_event_detection

        with progress_bars() as step:
            report = run_sound_event_detection(values, progress=step, verbose=_verbose())
        show_detection_report(report)


def _verbose() -> int:
    return 1 if sys.stdout.isatty() else 2


def _parse(presets, description, arguments, *, default: str, lists: Mapping[str, dict]):
    """Returns the values of the chosen preset with the command line and `--config` laid over them.

    `lists` says how the values that are lists of words are given: the options of `add_argument` by name.
    """
    import argparse

    from jsonargparse import ArgumentParser

    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--data")
    peek.add_argument("--preset")
    seen, _ = peek.parse_known_args(arguments)
    chosen = seen.preset or ("paper" if seen.data else default)
    if chosen not in presets:
        raise AvkerasError(f"--preset: '{chosen}' is none of {', '.join(presets)}")
    values = presets[chosen]
    parser = ArgumentParser(description=description.strip(), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", action="config", help="YAML file with any of the options below")
    parser.add_argument("--preset", default=chosen, help=f"one of {', '.join(presets)}; paper is meant for --data")
    for name, options in lists.items():
        parser.add_argument(f"--{name}", **options)
    parser.add_class_arguments(type(values), skip=set(lists))
    parser.set_defaults(dataclasses.asdict(values))
    found = vars(parser.parse_args(arguments))
    return type(values)(**{field.name: found[field.name] for field in dataclasses.fields(values)})


def show_report(report: "Report") -> None:
    """Shows what an experiment reached, what it left out, and where its files are."""
    from rich.console import Console
    from rich.table import Table

    from avkeras.experiments.audio_tagging import FILES

    console = Console(soft_wrap=True, highlight=False)
    results = report.results
    _show_summary(console, report.summary, report.values.out)
    for system, reason in report.skipped:
        console.print(f"  not trained: {system}: {reason}", markup=False)
    embedders = " and ".join(report.embedders)
    table = Table(title=f"Micro-F1 on test, {report.manifest.path}, {embedders}")
    accuracy = any(result.accuracy is not None for result in results)
    names = ["system", "micro-F1", "with video", "clips", "threshold", "epochs", *(["accuracy"] * accuracy)]
    for name in names:
        table.add_column(name, justify="left" if name == "system" else "right", no_wrap=True)
    for result in results:
        with_video = "-" if result.f1_with_video is None else f"{100 * result.f1_with_video:.1f} %"
        row = [result.system, f"{100 * result.f1:.1f} %", with_video, str(result.clips), f"{result.threshold:.3f}"]
        row += [str(result.epochs), *([f"{100 * (result.accuracy or 0):.1f} %"] * accuracy)]
        table.add_row(*row)
    console.print(table)
    for name in report.stand_ins:
        console.print(f"{name} is a stand-in, not a pretrained network: these scores say nothing of the papers'.")
    out = report.values.out
    console.print(f"Files: values in {out / 'config.json'}, this table in {out / 'results.csv'}, and per system")
    for result in results:
        console.print(f"  {result.folder}/: {', '.join(FILES)}")
    if results:
        best = max(results, key=lambda result: result.f1)
        console.print(f"Your own file: avkeras predict clip.mp4 --model {best.folder / 'saved_model'}")


def show_detection_report(report: "DetectionReport") -> None:
    """Shows what a detection experiment reached, what it left out, and where its files are."""
    from rich.console import Console
    from rich.table import Table

    from avkeras.experiments.detection_scores import METRICS
    from avkeras.experiments.sound_event_detection import FILES

    console = Console(soft_wrap=True, highlight=False)
    out, tuning = report.values.out, report.tuning
    _show_summary(console, report.summary, out)
    _show_lines(console, "left out", report.left_out, out / "left_out.csv")
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
    for name in report.stand_ins:
        console.print(f"{name} is a stand-in, not a pretrained network: these scores say nothing of the papers'.")
    console.print(f"Files: this table in {out / 'results.csv'}; in {out}/ also")
    for line in FILES:
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


def show_prediction(prediction: "Prediction", *, as_json: bool = False) -> None:
    """Shows the probabilities of one file, the highest first, and what was missing or replaced."""
    import json

    if as_json:
        fields = dataclasses.asdict(prediction) | {"path": str(prediction.path)}
        sys.stdout.write(json.dumps(fields) + "\n")
        return
    width = max(map(len, prediction.probabilities))
    lines = [str(prediction.path)]
    for name, value in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        lines.append(f"  {name:<{width}}  {value:.4f}{'  *' if name in prediction.present else ''}")
    lines += [f"  note: {note}" for note in prediction.notes]
    sys.stdout.write("\n".join(lines) + "\n")


def show_events(prediction: "EventPrediction", *, figure=None, as_json: bool = False) -> None:
    """Shows the events of one file with their times, and what was missing or replaced."""
    import json

    if as_json:
        fields = {
            "path": str(prediction.path),
            "events": [event._asdict() for event in prediction.events],
            "labels": prediction.labels,
            "probabilities": prediction.probabilities,
            "notes": prediction.notes,
            "figure": str(figure) if figure else None,
        }
        sys.stdout.write(json.dumps(fields) + "\n")
        return
    lines = [str(prediction.path)]
    for event in prediction.events:
        lines.append(f"  {event.onset:7.2f} - {event.offset:7.2f} s  {event.label}")
    lines += [] if prediction.events else ["  no event"]
    heard = ", ".join(f"{name} ({prediction.probabilities[name]:.2f})" for name in prediction.labels)
    lines.append(f"  in the whole clip: {heard or 'none of the classes'}")
    lines += [f"  note: {note}" for note in prediction.notes]
    lines += [f"  picture: {figure}"] if figure else []
    sys.stdout.write("\n".join(lines) + "\n")


def show_evaluation(evaluation: "Evaluation") -> None:
    """Shows the metrics of detected events."""
    for name, value in evaluation.summary().items():
        sys.stdout.write(f"{name:<8}{value:.6f}\n")
    if evaluation.silent_clips:
        sys.stdout.write(f"{evaluation.silent_clips} clips of the ground truth have no predicted event\n")
