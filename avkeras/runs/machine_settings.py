"""How TensorFlow is set for a model on this machine: as measured here once, else by a rule; always overridable.

Settings are environment variables that TensorFlow reads when it is imported. They change results by rounding alone. One
that the user has set is never touched.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avkeras.errors import AvkerasError
from avkeras.runs.files import read_json, write_json

# The 2019 model, and the 2022 model with either kind of block.
MODELS = ("tagging", "transformer", "conformer")
VARIABLES = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
FILE = "machine_settings.json"


@dataclass(frozen=True)
class Settings:
    """What is set for a model.

    Args:
        values: environment variables; none: as TensorFlow does by itself.
        seconds: of a training step by candidate, as `label` names them; empty: not measured, chosen by `rule`.
    """

    values: Mapping[str, str]
    seconds: Mapping[str, float]


def settings_of(model: str) -> Settings:
    """Returns what is set for a model on this machine.

    Args:
        model: one of `MODELS`.

    Example:
        >>> set(settings_of("tagging").values) <= set(VARIABLES)
        True
    """
    found = _kept().get(_key(model))
    return Settings(found["values"], found["seconds"]) if found else Settings(rule(), {})


def apply_settings(model: str) -> dict[str, str]:
    """Sets the environment for a model, before TensorFlow is imported, and returns what was set; nothing after that.

    Args:
        model: one of `MODELS`.
    """
    return _set(settings_of(model).values)


def apply_extraction_settings() -> dict[str, str]:
    """Sets the environment for networks that embed clips, as `apply_settings` does; by `rule`, as nothing is measured.

    On one or two cores two calls of a network run side by side (`avkeras.features.network_thread`), one thread in each.
    """
    return _set(rule())


def kernel_settings() -> dict[str, str]:
    """Returns what this process has set that results depend on, by rounding; threads are each machine's own affair."""
    return {name: os.environ[name] for name in ("TF_ENABLE_ONEDNN_OPTS",) if name in os.environ}


def _set(values: Mapping[str, str]) -> dict[str, str]:
    if "tensorflow" in sys.modules:
        return {}
    values = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(values)
    return values


def keep_settings(model: str, values: Mapping[str, str], seconds: Mapping[str, float]) -> None:
    """Keeps what was measured for a model on this machine.

    Args:
        model: one of `MODELS`.
        values: the best candidate's.
        seconds: of a training step, by candidate.
    """
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, _kept() | {_key(model): {"values": dict(values), "seconds": dict(seconds)}})


def rule() -> dict[str, str]:
    """Returns what is set where nothing was measured.

    * On one or two cores, operations run side by side, such as the student's beside the teacher's: threads inside them
      cost more than they give.
    * oneDNN is on wherever there is AVX2; without AVX-512 VNNI TensorFlow has it off.
    """
    threads = {"TF_NUM_INTRAOP_THREADS": "1"} if (os.cpu_count() or 1) <= 2 else {}
    onednn = {"TF_ENABLE_ONEDNN_OPTS": "1"} if "avx2" in processor()[1] else {}
    return threads | onednn


def candidates() -> list[dict[str, str]]:
    """Returns the settings to choose from, the one without any first, the rule's second."""
    cores = str(os.cpu_count() or 1)
    threads = [{}, {"TF_NUM_INTRAOP_THREADS": "1"}, {"TF_NUM_INTRAOP_THREADS": cores, "TF_NUM_INTEROP_THREADS": "1"}]
    everything = [{}, rule()]
    everything += [{"TF_ENABLE_ONEDNN_OPTS": value} | one for value in ("0", "1") for one in threads]
    return [one for place, one in enumerate(everything) if one not in everything[:place]]


def label(values: Mapping[str, str]) -> str:
    """Returns settings as a shell takes them.

    Example:
        >>> label({"TF_ENABLE_ONEDNN_OPTS": "1"}), label({})
        ('TF_ENABLE_ONEDNN_OPTS=1', 'as TensorFlow does')
    """
    return " ".join(f"{name}={value}" for name, value in sorted(values.items())) or "as TensorFlow does"


def processor() -> tuple[str, frozenset[str]]:
    """Returns the processor's name and what it can, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    name = found.get("model name") or platform.processor() or platform.machine()
    return name, frozenset(found.get("flags", "").split())


def _key(model: str) -> str:
    if model not in MODELS:
        raise ValueError(f"{model} is none of {', '.join(MODELS)}")
    try:
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    name, flags = processor()
    wide = " ".join(flag for flag in ("avx2", "avx512f", "avx512_vnni") if flag in flags)
    return f"{model}, {name} ({wide}), {os.cpu_count()} cores, TensorFlow {version}"


def _file() -> Path:
    return Path(os.environ.get("AVKERAS_CACHE") or Path("~", ".cache", "avkeras").expanduser(), FILE)


def _kept() -> dict:
    if not _file().is_file():
        return {}
    try:
        return read_json(_file())
    except AvkerasError as error:
        raise AvkerasError(f"{error}; delete it, and measure again: avkeras doctor --measure") from None
