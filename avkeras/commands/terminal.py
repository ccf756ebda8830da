"""What commands and recipes share in the terminal: one line per error, and progress bars."""

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager

from avkeras.errors import AvkerasError


@contextmanager
def one_line_errors(options: Iterable[str] = ()):
    """Ends the program with one line and status 1 for an error that the user can mend; TensorFlow tells errors only.

    `AVKERAS_TRACEBACK=1` in the environment shows where an error came from.

    Args:
        options: of the command, such as `--out`; the library's errors speak of arguments, see `with_options`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        yield
        if sys.stdout is not None:  # else it was closed before the start
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what a folder holds is kept, and the same command goes on from there\n")
        sys.exit(128 + signal.SIGINT)  # by which a shell's loop ends, too
    except (AvkerasError, OSError, ValueError) as error:
        if os.environ.get("AVKERAS_TRACEBACK"):
            raise
        _end_if_nobody_reads(error)
        named = isinstance(error, OSError) and error.filename and error.strerror
        text = f"{error.filename}: {error.strerror}" if named else with_options(str(error), options)
        sys.exit(f"error: {text}")


def _end_if_nobody_reads(error: Exception) -> None:
    """Ends the program quietly, as others do, if who read its standard output has enough (`| head`).

    What could not be written is dropped: Python would try it again at the end, with an error of its own.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError) and error.filename is None:  # other pipes' ends are told by their owners
        sys.exit(128 + signal.SIGPIPE)


@contextmanager
def ended_by_sigterm():
    """Has SIGTERM, by which clusters end a job, end a command as Ctrl+C does: none of its processes is left behind."""
    told = []

    def end(number, frame):
        told.append(number)
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone is told of signals
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if told:
            sys.stderr.write("terminated; what a folder holds is kept, and the same command goes on from there\n")


def with_options(text: str, options: Iterable[str]) -> str:
    """Returns an error of the library with its arguments as the options that the command has for them.

    The library names arguments at the beginning (`rows: ...`, `rows 13: ...`, `first, second: ...`) and in brackets
    (`(out)`).

    Example:
        >>> with_options("runs/a: holds another run; give another folder (out)", ["--out"])
        'runs/a: holds another run; give another folder (--out)'
        >>> with_options("visual_frames 0: at least 1 is wanted", ["--visual-frames"])
        '--visual-frames 0: at least 1 is wanted'
    """
    known = {option.removeprefix("--").replace("-", "_"): option for option in options}

    def options_of(words: re.Match) -> str:
        names = words["names"].split(", ")
        return ", ".join(known[name] for name in names) if set(names) <= set(known) else words["names"]

    text = re.sub(r"^(?P<names>\w+(, \w+)*)(?=(:| [^ :]+:))", options_of, text)
    return re.sub(r"(?<=\()(?P<names>\w+(, \w+)*)(?=\))", options_of, text)


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
