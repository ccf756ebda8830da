"""`avkeras doctor`: is everything there that avkeras needs, and does it work."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import avkeras
from avkeras.runs.environment import package_versions
from avkeras.runs.machine_settings import MODELS, label, settings_of

OK, MISSING, BROKEN = "ok", "missing", "broken"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_CODECS = {
    "decode": ("h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "flac", "opus", "vorbis", "pcm_s16le"),
    "encode": ("libx264", "mpeg4", "flac", "aac"),
}
_LITTLE = 5 * 2**30  # embedders, features and runs of a small data set


@dataclass(frozen=True)
class Check:
    """What one check found.

    Args:
        name: of what was looked at.
        state: `ok`, `missing` or `broken`.
        text: version or place; or what is wrong and what to do.
        needed: whether avkeras does not work without it.
    """

    name: str
    state: str
    text: str
    needed: bool = False

    @property
    def fails(self) -> bool:
        """Whether something needed is missing or broken."""
        return self.needed and self.state != OK


def run_checks() -> Iterator[Check]:
    """Makes all checks, the needed things first; one that raises is broken and the others go on.

    Example:
        >>> next(run_checks()).name
        'python'
    """
    yield from _check("python", _python, needed=True)
    for name, package in _PACKAGES.items():
        yield from _check(name, lambda package=package: _import(*package), needed=True)
    yield from _check("tensorflow's library", _library)
    yield from _check("tensorflow-io", _tensorflow_io)
    yield from _check("codecs", _codecs, needed=True)
    yield from _check("devices", _devices, needed=True)
    for model in MODELS:
        yield from _check(f"settings {model}", lambda model=model: _settings(model))
    yield from _check("cache", _cache, needed=True)
    yield from _check("disk", _disk)
    yield from _embedders()
    for name, (module, command) in _EXTRAS.items():
        yield _extra(name, module, command)
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    yield Check("chromium", OK if browser else MISSING, browser or "only the tests of HTML pages need it")


# name of the check: package, what is imported of it
_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow"),
    "keras": ("keras", "keras"),
    "av": ("av", "av"),
    "soxr": ("soxr", "soxr"),
    "soundfile": ("soundfile", "soundfile"),
    "librosa": ("librosa", "librosa"),
    "sed_eval": ("sed_eval", "sed_eval"),
    "matplotlib": ("matplotlib", "matplotlib"),
}
_EXTRAS = {
    "fetch": ("yt_dlp", 'for avkeras fetch: pip install "avkeras[fetch]"'),
    "cluster": ("ray", 'for avkeras extract --cluster: pip install "avkeras[cluster]"'),
    "serving": ("tensorflow_serving", 'for warm-up requests: pip install "tensorflow-serving-api>=2.16,<2.17"'),
}


def _check(name: str, look: Callable[[], str | Check], *, needed: bool = False) -> Iterator[Check]:
    try:
        found = look()
    except Exception as error:  # whatever it is, the other checks go on
        state = MISSING if isinstance(error, ModuleNotFoundError) else BROKEN
        found = Check(name, state, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", needed=needed)
    yield found if isinstance(found, Check) else Check(name, OK, found, needed=needed)


def _python() -> str:
    return f"{platform.python_version()}, avkeras {avkeras.__version__}, {platform.platform()}"


def _import(package: str, module: str) -> str:
    importlib.import_module(module)
    return package_versions([package])[package] or "version not known"


def _library() -> str | Check:
    from avkeras.saved_models.library import tensorflow_library

    if tensorflow_library() is None:
        return Check("tensorflow's library", MISSING, "`avkeras predict` imports TensorFlow, which takes seconds more")
    return "found: `avkeras predict` answers without TensorFlow's Python where it can"


def _tensorflow_io() -> str:
    """Decodes what it encodes: with a TensorFlow that it was not built for, its operations do not load."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_io as tfio

    tone = np.sin(np.arange(160, dtype="float32"))[:, None] / 2
    wav = tf.audio.encode_wav(tone, 16_000)
    decoded = tf.cast(tfio.audio.decode_wav(wav, dtype=tf.int16), tf.float32) / 2**15
    error = float(tf.reduce_max(tf.abs(decoded - tone)))
    if error > 1e-3:
        raise RuntimeError(f"it decodes a wav file wrongly, by {error:g}")
    return f"{package_versions(['tensorflow-io'])['tensorflow-io']}, decodes a wav file"


def _codecs() -> str:
    import av

    modes = {"decode": "r", "encode": "w"}
    lacking = []
    for what, names in _CODECS.items():
        for name in names:
            try:
                av.Codec(name, modes[what])
            except ValueError:  # av.codec.codec.UnknownCodecError is one
                lacking.append(f"{what} {name}")
    if lacking:
        raise RuntimeError(f"PyAV cannot {', '.join(lacking)}: pip install --force-reinstall av")
    return "; ".join(f"{what} {' '.join(names)}" for what, names in _CODECS.items())


def _devices() -> str:
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    names = [details.get("device_name", "GPU") for details in gpus]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", "as many")
    return f"{', '.join(names) or 'no GPU'}; {cores} CPU cores, TensorFlow's threads: {threads}"


def _settings(model: str) -> str:
    found = settings_of(model)
    if not found.seconds:
        return f"{label(found.values)}, by rule; avkeras doctor --measure {model} finds the best for this machine"
    times = ", ".join(f"{name}: {1e3 * seconds:.1f} ms" for name, seconds in found.seconds.items())
    return f"{label(found.values)}, measured here (a training step {times})"


def _cache() -> str | Check:
    folder = _cache_root()
    if not folder.exists():
        return f"{folder}, not made yet"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if not os.access(folder, os.W_OK):
        return Check("cache", BROKEN, f"{folder} cannot be written; set AVKERAS_CACHE to another folder", needed=True)
    return f"{folder}, {size / 2**20:.0f} MB"


def _disk() -> str | Check:
    folder = next(path for path in (_cache_root(), *_cache_root().parents) if path.exists())
    free = {str(place): shutil.disk_usage(place).free for place in (folder, Path.cwd())}
    text = ", ".join(f"{size / 2**30:.1f} GB free at {place}" for place, size in free.items())
    if min(free.values()) < _LITTLE:
        return Check("disk", MISSING, f"{text}: little for embedders, features and runs")
    return text


def _cache_root() -> Path:
    from avkeras.features.embedders import cache_folder

    return cache_folder("vgg16").parent


def _embedders() -> Iterator[Check]:
    from avkeras.features.embedders import KNOWN

    for name in KNOWN:
        yield from _check(f"embedder {name}", lambda name=name: _embedder(name))


def _embedder(name: str) -> Check:
    from avkeras.features.embedders import cache_folder, hub_folder
    from avkeras.features.registry import EMBEDDERS

    row, check = EMBEDDERS[name], f"embedder {name}"
    spec = row.spec
    folder = hub_folder(spec.handle) if spec.handle else cache_folder(name)
    what = f"{spec.modality}, {spec.dim} values" + (", a stand-in" if spec.stand_in else "")
    if (folder / "saved_model.pb").is_file():
        return Check(check, OK, f"{what}, in {folder}")
    if spec.handle:
        advice = f"downloaded on first use from {spec.handle}; without network: hub_models/README.md"
    elif row.on_first_use:
        advice = "built on first use"
    else:
        advice = " ".join([f"python hub_models/{name}.py", *(f"--{argument} FILE" for argument in row.needed)])
    return Check(check, MISSING, f"{what}: {advice}")


def _extra(name: str, module: str, command: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(f"extra {name}", MISSING, command)
    return Check(f"extra {name}", OK, "installed")
