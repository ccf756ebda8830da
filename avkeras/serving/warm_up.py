"""Requests that TF Serving answers when it has loaded a model, so that the first real one need not wait."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

FILE = "tf_serving_warmup_requests"
# What a length that may differ is in an example: pictures are large, a second of sound has 16000 samples.
_LENGTHS = {"waveform": 16_000, "frames": 1, "frame_mask": 1}
_FRAMES = 10
_SIDE = 224

logger = logging.getLogger(__name__)


def write_warm_up(folder: Path, signatures: Mapping[str, Any], *, lengths: Mapping[str, int]) -> bool:
    """Writes a request for every signature to `tf_serving_warmup_requests`, a TFRecord file of `PredictionLog`.

    Args:
        folder: `assets.extra` of the SavedModel.
        signatures: concrete functions by name.
        lengths: frames per input of a usual clip; default: 10.

    Returns:
        Whether it was written: without the package tensorflow-serving-api it is not, and the log says so.
    """
    import tensorflow as tf

    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ModuleNotFoundError:
        logger.warning('no warm-up requests for TF Serving: pip install "tensorflow-serving-api>=2.16,<2.17"')
        return False
    with tf.io.TFRecordWriter(str(folder / FILE)) as file:
        for name, signature in signatures.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = name
            for key, array in example_inputs(signature.structured_input_signature[1], lengths=lengths).items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            file.write(log.SerializeToString())
    return True


def example_shapes(specs: Mapping[str, tf.TensorSpec], *, lengths: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Returns a shape for each input of a signature, of one clip.

    Example:
        >>> specs = {"audio": tf.TensorSpec((None, None, 128)), "audio_mask": tf.TensorSpec((None, None))}
        >>> example_shapes(specs, lengths={"audio": 7})
        {'audio': (1, 7, 128), 'audio_mask': (1, 7)}
    """
    shapes = {}
    for name, spec in specs.items():
        length = _LENGTHS.get(name) or lengths.get(name.removesuffix("_mask"), _FRAMES)
        one_clip = name == "waveform" and len(spec.shape) == 1  # of the signature `levels`, which takes no batch
        free = (length,) if one_clip else (1, length, _SIDE, _SIDE)
        shapes[name] = tuple(free[axis] if size is None else size for axis, size in enumerate(spec.shape.as_list()))
    return shapes


def example_inputs(specs: Mapping[str, tf.TensorSpec], *, lengths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Returns an input for a signature: one clip of silence and darkness, all of it real.

    Example:
        >>> example_inputs({"samples": tf.TensorSpec((None,), tf.int32)}, lengths={})
        {'samples': array([16000], dtype=int32)}
    """
    import numpy as np

    arrays = {}
    for name, shape in example_shapes(specs, lengths=lengths).items():
        kind = specs[name].dtype.as_numpy_dtype
        value = _LENGTHS["waveform"] if name == "samples" else int(specs[name].dtype.is_bool)
        arrays[name] = np.full(shape, value, kind)
    return arrays
