"""What a run was made with: versions, command line, machine."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from pathlib import Path

import avkeras
from avkeras.runs.files import JsonLines
from avkeras.runs.machine_settings import VARIABLES, processor

FILE = "environment.jsonl"
# What can change a result.
PACKAGES = (
    "tensorflow",
    "tensorflow-io",
    "tensorflow-hub",
    "keras",
    "numpy",
    "scipy",
    "librosa",
    "av",
    "soxr",
    "soundfile",
    "sed_eval",
)


def environment() -> dict:
    """Returns versions of what can change a result, the command line, its directory, the machine and the time (UTC).

    Example:
        >>> sorted(environment())
        ['avkeras', 'command', 'cores', 'directory', 'packages', 'platform', 'processor', 'python', 'settings', 'time']
    """
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "directory": os.getcwd(),
        "avkeras": avkeras.__version__,
        "python": platform.python_version(),
        "packages": package_versions(PACKAGES),
        "platform": platform.platform(),
        "processor": processor()[0],
        "cores": os.cpu_count(),
        "settings": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def package_versions(names) -> dict[str, str | None]:
    """Returns the installed version of each package; None where it is not installed.

    Example:
        >>> package_versions(["no such package"])
        {'no such package': None}
    """
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def record_environment(folder: Path) -> None:
    """Appends a line to the folder's `environment.jsonl`, unless all but the time is as in the last: resumes show.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> record_environment(folder)
        >>> record_environment(folder)
        >>> len((folder / FILE).read_text().splitlines())
        1
    """
    file, now = JsonLines(folder / FILE), environment()
    before, _ = file.read()
    if not before or before[-1] | {"time": None} != now | {"time": None}:
        file.add(now)
