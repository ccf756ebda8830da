"""Write and identify the SavedModels that hold embedders."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.features.embedder_specs import SPEC_FILE, EmbedderSpec
from avkeras.saved_models.frozen_graph import PLACE, described, frozen, optimised, write_graph
from avkeras.saved_models.operations import graph_hashes

if TYPE_CHECKING:
    import tensorflow as tf

_LARGE = 64 * 2**20  # bytes of weights


def export_embedder(
    call: Callable[[tf.Tensor], tf.Tensor],
    directory: str | Path,
    *,
    spec: EmbedderSpec,
    tracked: Any = None,
    overwrite: bool = False,
) -> Path:
    """Write a function as a SavedModel with TF Hub's call contract, and its spec as `embedder.json` beside it.

    Everything is written to a temporary folder that is renamed at the end: a killed process leaves no half
    model, and of two processes that write the same model the first one wins.

    Args:
        call: from a waveform `(samples,)` or pictures `(batch, height, width, 3)` to `(frames, dim)`.
        directory: the folder to write.
        spec: what the embedder is; gives the input's shape.
        tracked: the Keras model or `tf.Variable` whose weights `call` uses; written once.
        overwrite: replace a folder that is there; default: leave it as it is.

    Returns:
        The folder.

    Raises:
        AvkerasError: the folder cannot be written.

    Example:
        >>> spec = EmbedderSpec("loudness", "audio", 1, window=0.96, hop=0.96, least_samples=15_600)
        >>> export_embedder(lambda wave: tf.reduce_mean(tf.abs(wave), keepdims=True)[None], "loudness", spec=spec)
        PosixPath('loudness')
    """
    import keras
    import tensorflow as tf

    directory = Path(directory)
    shape = [None] if spec.modality == "audio" else [None, *(spec.size or (None, None)), 3]
    module = tf.Module()
    # Held as an attribute so that the weights are saved with the function. Of a Keras model the variables and not the
    # model: each would be in the graph twice, and what restores them would not reach those that the function reads.
    module.tracked = [one.value for one in tracked.weights] if isinstance(tracked, keras.Layer) else tracked
    module.__call__ = tf.function(call, input_signature=[tf.TensorSpec(shape, tf.float32, name="inputs")])
    signatures = {"serving_default": module.__call__.get_concrete_function()}
    with writing_saved_model(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
            written = Path(scratch, "model")
            tf.saved_model.save(module, str(written), signatures=signatures)
            _write_library(signatures["serving_default"], written)
            text = json.dumps(dataclasses.asdict(spec), indent=2) + "\n"
            (written / SPEC_FILE).write_text(text, encoding="utf-8")
            if overwrite and directory.exists():
                shutil.rmtree(directory)
            _rename(written, directory)
    return directory


@contextmanager
def writing_saved_model(directory: Path) -> Iterator[None]:
    """Names the folder of a SavedModel in the errors of a block that does nothing but write it.

    TensorFlow writes by itself, and says in errors of its own that a disk is full: `FILE; No space left on device`.

    Raises:
        AvkerasError: the folder cannot be written.
    """
    import tensorflow as tf

    try:
        yield
    except OSError as error:
        raise AvkerasError(f"{directory}: the SavedModel cannot be written: {error.strerror or error}") from error
    except tf.errors.OpError as error:
        why = error.message.partition("\n")[0].rpartition("; ")[2]
        raise AvkerasError(f"{directory}: the SavedModel cannot be written: {why}") from error


def _write_library(function: Any, folder: Path) -> None:
    """Writes the graph that TensorFlow's C library runs.

    Not of large models, whose weights it would hold again, nor of those with resources that are no variables.
    """
    import tensorflow as tf

    size = sum(variable.shape.num_elements() * variable.dtype.size for variable in function.variables)
    if size > _LARGE or len(function.captured_inputs) > len(function.variables):
        return
    (given,) = function.structured_input_signature[0]
    found = function.structured_outputs
    named = isinstance(found, Mapping)
    names = sorted(found) if named else [f"output_{number}" for number, _ in enumerate(tf.nest.flatten(found))]
    inputs, outputs, graph = frozen(function, specs={"inputs": given}, outputs=names)
    write_graph(optimised(described(graph, {"serving_default": (inputs, outputs)})), folder / PLACE)


def _rename(written: Path, directory: Path) -> None:
    try:
        os.rename(written, directory)
    except OSError:
        if not (directory / "saved_model.pb").is_file():  # not another process that came first
            raise


def fingerprint(directory: str | Path) -> str:
    """Return a SHA-256 of what a SavedModel computes: its weights, assets, operations and constants.

    `saved_model.pb` itself differs between two builds of the same model, as function names in it end in running
    numbers, so that its operations are taken in their place: the same model built twice, or on two machines,
    has one fingerprint.

    Args:
        directory: the SavedModel's folder.

    Returns:
        64 hexadecimal digits.

    Raises:
        AvkerasError: the folder holds no SavedModel.

    Example:
        >>> from avkeras.features.networks.picture_stand_in import write
        >>> len(fingerprint(write("model")))
        64
    """
    directory = Path(directory)
    try:
        hashes = graph_hashes((directory / "saved_model.pb").read_bytes())
    except (OSError, ValueError) as error:
        raise AvkerasError(f"{directory}: holds no SavedModel (saved_model.pb cannot be read).") from error
    total = hashlib.sha256("\n".join(hashes).encode())
    for path in sorted(p for part in ("variables", "assets") for p in (directory / part).rglob("*")):
        # The index of the variables names and checks them; their values are in the data files.
        if path.is_file():
            total.update(path.relative_to(directory).as_posix().encode())
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def one_output(module: Any, output: int | str | None, name: str) -> Callable[[Any], tf.Tensor]:
    """Return a loaded SavedModel's call, or else its `serving_default`, as a function with one output.

    Args:
        module: what `tf.saved_model.load` returns.
        output: index or key of the output, where there are several.
        name: how messages name the model.

    Raises:
        AvkerasError: it cannot be called; or, when called, it has several outputs and none is chosen.
    """
    call = module
    if not callable(module):
        signatures = dict(getattr(module, "signatures", {}))
        if "serving_default" not in signatures:
            raise AvkerasError(f"{name}: this SavedModel can neither be called nor has it a serving_default signature.")
        call = functools.partial(_call_signature, signatures["serving_default"])

    def embed(inputs: Any) -> tf.Tensor:
        outputs = call(inputs)
        if output is not None:
            return outputs[output]
        if isinstance(outputs, Mapping) and len(outputs) == 1:
            return next(iter(outputs.values()))
        if isinstance(outputs, Mapping | list | tuple):
            which = sorted(outputs) if isinstance(outputs, Mapping) else f"0 to {len(outputs) - 1}"
            raise AvkerasError(f"{name}: has several outputs, {which}; say which one by `output` in its spec.")
        return outputs

    return embed


def _call_signature(signature: Any, inputs: Any) -> Mapping[str, tf.Tensor]:
    import tensorflow as tf

    (argument,) = signature.structured_input_signature[1]
    return signature(**{argument: tf.convert_to_tensor(inputs)})
