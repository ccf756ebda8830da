"""What a command or recipe does with a run: the experiment, then figures, export and report from the run's folder."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from avkeras.errors import AvkerasError
from avkeras.runs.locks import locked_folder


def run_experiment(values: Any) -> None:
    """Runs an experiment with progress bars, finishes its folder and shows its table.

    Args:
        values: `AudioTagging` or `SoundEventDetection`.

    Raises:
        AvkerasError: the experiment cannot be run, or a step after it failed.
    """
    from avkeras.commands.terminal import progress_bars
    from avkeras.commands.train_view import show_detection_report, show_tagging_report
    from avkeras.experiments.configs import AudioTagging
    from avkeras.runs.machine_settings import apply_settings

    if isinstance(values, AudioTagging):
        apply_settings("tagging")
        from avkeras.experiments.tagging import run_audio_tagging as run

        show = show_tagging_report
    else:
        apply_settings(values.block)
        from avkeras.experiments.detection import run_sound_event_detection as run

        show = show_detection_report
    with progress_bars() as step:
        report = run(values, progress=step, verbose=1 if sys.stdout.isatty() else 2)
    failed = finish_run(values.out)
    show(report)
    if isinstance(values, AudioTagging) and not _writes_saved_models():
        sys.stderr.write(
            "note: no SavedModel was written, as it holds operations of TensorFlow: "
            f"KERAS_BACKEND=tensorflow avkeras train --resume {values.out}\n"
        )
    for what, reason in failed:
        sys.stderr.write(f"not made: {what}: {reason}\n")
    if failed:
        raise AvkerasError(
            f"{len(failed)} of the steps after training failed; scores and models in {values.out} are whole, "
            "and the same command tries only these steps again"
        )


def finish_run(run: str | Path) -> list[tuple[str, str]]:
    """Makes what a finished run's folder lacks: curves, attention figures, SavedModels, and always its report.

    Args:
        run: the folder of a tagging or detection run that is trained and scored.

    Returns:
        Name and reason of each step that failed; the others are done all the same.

    Raises:
        AvkerasError: another process does so.
    """
    failed = []
    with locked_folder(run, "finishing this run"):
        for what, make in _steps(Path(run)):
            try:
                make()
            except Exception as error:  # whatever it is, it must not cost the other steps, nor the run its model
                text = str(error) if isinstance(error, AvkerasError) else f"{type(error).__name__}: {error}"
                failed.append((what, " ".join(text.split())))
    return failed


def _steps(run: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yields names and functions of what is left to do."""
    if (run / "tuning.json").is_file():
        from avkeras.reports.detection_report import write_detection_report
        from avkeras.serving.export_run import export

        if _writes_saved_models() and not (run / "saved_model").is_dir():
            yield "saved_model", partial(export, run, run / "saved_model")
        yield "report.html", partial(write_detection_report, run)
        return
    from avkeras.reports.curves import training_curves
    from avkeras.reports.run_facts import RunFacts
    from avkeras.reports.tagging_figures import has_attention_figures, write_attention_figures
    from avkeras.reports.tagging_report import write_tagging_report
    from avkeras.serving.export_run import export

    facts = RunFacts(run)
    for folder in sorted(file.parent for file in run.glob("*/result.json")):
        if _writes_saved_models() and not (folder / "saved_model").is_dir():
            yield f"{folder.name}/saved_model", partial(export, folder, folder / "saved_model")
        if not (folder / "curves.png").is_file():
            stop = {name: facts.config[name] for name in ("patience", "keep")}
            yield (
                f"{folder.name}/curves.png",
                partial(training_curves, folder / "metrics.csv", folder / "curves.png", **stop),
            )
        if not facts.config.get("system") and not has_attention_figures(folder):
            yield f"{folder.name}/attention", partial(write_attention_figures, facts, folder.name)
    yield "report.html", partial(write_tagging_report, run)


def _writes_saved_models() -> bool:
    import keras

    return keras.backend.backend() == "tensorflow"
