"""What commands and recipes share in the terminal: one line per error, progress bars, an experiment run and shown."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from avkeras.errors import AvkerasError


@contextmanager
def one_line_errors():
    """Ends the program with one line and status 1 for an error that the user can mend; TensorFlow tells errors only.

    `AVKERAS_TRACEBACK=1` in the environment shows where an error came from.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
    except (AvkerasError, OSError, ValueError) as error:
        if os.environ.get("AVKERAS_TRACEBACK"):
            raise
        named = isinstance(error, OSError) and error.filename and error.strerror
        sys.exit(f"error: {error.filename}: {error.strerror}" if named else f"error: {error}")


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


def run_recipe(presets: Mapping[str, Any], *, description: str, arguments: Sequence[str] | None = None) -> None:
    """Reads the command line over a 2019 recipe's presets, runs the experiment and shows its table.

    Args:
        presets: `AudioTagging` values by name; `demo` is the default without `--data`, `paper` with it.
        description: for `--help`.
        arguments: of the command line; default: the program's.
    """
    with one_line_errors():
        run_experiment(_parse(presets, description, arguments, default="demo"))


def run_detection_recipe(
    presets: Mapping[str, Any], *, description: str, arguments: Sequence[str] | None = None
) -> None:
    """Reads the command line over a 2022 recipe's presets, runs the experiment and shows its table.

    Args:
        presets: `SoundEventDetection` values by name; `small` is the default without `--data`, `paper` with it.
        description: for `--help`.
        arguments: of the command line; default: the program's.
    """
    with one_line_errors():
        run_experiment(_parse(presets, description, arguments, default="small"))


def run_experiment(values: Any) -> None:
    """Runs an experiment with progress bars and shows its table.

    Args:
        values: `AudioTagging` or `SoundEventDetection`.
    """
    from avkeras.experiments.detection import run_sound_event_detection
    from avkeras.experiments.tagging import AudioTagging, run_audio_tagging

    if isinstance(values, AudioTagging):
        from avkeras.commands.train_view import show_report as show

        run = run_audio_tagging
        if (os.cpu_count() or 1) <= 2:
            # These models' operations are small: threads inside them cost more than they give (benchmarks/README.md).
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    else:
        from avkeras.commands.train_view import show_detection_report as show

        run = run_sound_event_detection
    with progress_bars() as step:
        report = run(values, progress=step, verbose=1 if sys.stdout.isatty() else 2)
    show(report)


def _parse(presets: Mapping[str, Any], description: str, arguments: Sequence[str] | None, *, default: str) -> Any:
    """Returns the values of the chosen preset with the command line and `--config` laid over them."""
    from avkeras.commands.parser import CommandParser, did_you_mean
    from avkeras.commands.values import add_values, values_of

    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--data")
    peek.add_argument("--preset")
    seen, rest = peek.parse_known_args(arguments)
    chosen = seen.preset or ("paper" if seen.data else default)
    if chosen not in presets:
        raise AvkerasError(f"--preset: '{chosen}' is none of {', '.join(presets)}{did_you_mean(chosen, presets)}")
    values = presets[chosen]
    parser = CommandParser(description.strip())
    parser.add_config()
    # For `--help`; it is no value, so that the values can be given to `avkeras train`.
    parser.add_argument(
        "--preset", default=argparse.SUPPRESS, help=f"one of {', '.join(presets)}; paper is meant for --data"
    )
    add_values(parser, values)
    return values_of(type(values), parser.parse_args([*rest, *(["--data", seen.data] if seen.data else [])]))
