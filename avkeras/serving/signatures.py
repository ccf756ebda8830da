"""The functions that an exported model answers with: embeddings or media in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError
from avkeras.saved_models.frozen_graph import is_mask
from avkeras.serving.inference_graph import graph_function, inference_graph, input_specs, with_levels

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from avkeras.features.embedder_specs import EmbedderSpec
    from avkeras.features.embedders import Embedder
    from avkeras.features.front_end import FrontEnd


def serving_module(
    model: keras.Model, *, embedders: Mapping[str, Embedder], front_end: FrontEnd | None = None
) -> tuple[tf.Module, dict[str, Any], Any]:
    """Make the object to save as a SavedModel, and its signatures (see `avkeras.serving.export_tagging.export_model`).

    The model is in it as its `inference_graph`, with its weights as constants.

    Args:
        model: takes a dict of embeddings and masks and gives `(batch, classes)`, or a dict of probabilities.
        embedders: per modality; those to bundle: at least one for every input of the model, or none.
        front_end: what makes levels of sound, for the signature `levels`.

    Raises:
        AvkerasError: Keras runs on another backend than TensorFlow.

    Returns:
        The module, whose `embed` holds the bundled embedders as functions of one clip, the signatures by name, and the
        model's graph.

    Example:
        >>> from avkeras.models import AudiovisualTransformer
        >>> model = AudiovisualTransformer(classes=2, dims={"video": 6, "audio": 4}, blocks=1, dim=8, key_dim=4)
        >>> module, signatures, graph = serving_module(model, embedders={})
        >>> sorted(signatures)
        ['embeddings', 'serving_default']
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise AvkerasError(
            f"KERAS_BACKEND={keras.backend.backend()}: a SavedModel holds operations of TensorFlow: write it with "
            "KERAS_BACKEND=tensorflow, where the trained model loads as well"
        )
    module, graph = tf.Module(), inference_graph(model)
    predict = graph_function(graph)

    @tf.function(autograph=False)
    def predict_unmasked(**inputs):
        # Holds the graph no second time: a mask of ones is no mask.
        return predict(**inputs, **{f"{name}_mask": tf.ones(tf.shape(one)[:2], bool) for name, one in inputs.items()})

    masked = input_specs(model)
    unmasked = {name: spec for name, spec in masked.items() if not is_mask(name)}
    signatures = {
        "serving_default": predict.get_concrete_function(**masked),
        "embeddings": predict_unmasked.get_concrete_function(**unmasked),
    }
    if front_end is not None:

        @tf.function(autograph=False)
        def levels(*, waveform):
            return {"levels": front_end.log_mel(waveform)}

        signatures["levels"] = levels.get_concrete_function(waveform=tf.TensorSpec((None,), tf.float32))
        graph = with_levels(graph, front_end)
    if not embedders:
        return module, signatures, graph

    module.embedders = {modality: embedder.module for modality, embedder in embedders.items()}
    module.embed = {}
    media = {}
    for modality, embedder in embedders.items():
        inputs = _media_inputs(embedder.spec)
        clip = next(iter(inputs.values())).shape[1:]
        module.embed[modality] = tf.function(embedder.function, input_signature=[tf.TensorSpec(clip, tf.float32)])
        media |= inputs if modality in unmasked else {}

    @tf.function
    def predict_media(**inputs):
        embedded = {}
        for modality in unmasked:
            embedder = embedders[modality]
            embed_batch = _embed_waveforms if modality == "audio" else _embed_frames
            clips = [inputs[name] for name in _media_inputs(embedder.spec)]
            found = embed_batch(module.embed[modality], embedder.spec, *clips)
            embedded[modality], embedded[f"{modality}_mask"] = found
        return predict(**embedded)

    return module, signatures | {"media": predict_media.get_concrete_function(**media)}, graph


def _media_inputs(spec: EmbedderSpec) -> dict[str, tf.TensorSpec]:
    """Return the inputs of the signature `media` for one embedder: clips, and what of them is real."""
    import tensorflow as tf

    if spec.modality == "audio":
        return {
            "waveform": tf.TensorSpec((None, None), tf.float32, name="waveform"),
            "samples": tf.TensorSpec((None,), tf.int32, name="samples"),
        }
    height, width = spec.size or (None, None)
    return {
        "frames": tf.TensorSpec((None, None, height, width, 3), tf.uint8, name="frames"),
        "frame_mask": tf.TensorSpec((None, None), tf.bool, name="frame_mask"),
    }


def _embed_waveforms(
    embed: Callable, spec: EmbedderSpec, waveform: tf.Tensor, samples: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Embed clips of different lengths; return `(batch, frames, dim)` and the mask of the real frames."""
    import tensorflow as tf

    def embed_clip(clip):
        sound = clip[0][: clip[1]]
        return embed(tf.pad(sound, [[0, tf.maximum(spec.least_samples - tf.size(sound), 0)]]))

    rows = tf.map_fn(
        embed_clip,
        (waveform, samples),
        fn_output_signature=tf.RaggedTensorSpec((None, spec.dim), tf.float32, ragged_rank=0),
    )
    embedded = rows.to_tensor()
    heard = tf.where(samples > 0, rows.row_lengths(), 0)
    return embedded, tf.sequence_mask(heard, tf.shape(embedded)[1])


def _embed_frames(
    embed: Callable, spec: EmbedderSpec, frames: tf.Tensor, mask: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Embed the real pictures of clips; return `(batch, frames, dim)`, zeros where there is none, and the mask."""
    import tensorflow as tf

    def embed_clip(clip):
        pictures, seen = clip
        rows = embed(tf.cast(tf.boolean_mask(pictures, seen), tf.float32) / 255)
        return tf.scatter_nd(tf.where(seen), rows, (tf.size(seen), spec.dim))

    # One clip at a time, so that memory does not grow with the batch.
    embedded = tf.map_fn(
        embed_clip,
        (frames, mask),
        fn_output_signature=tf.TensorSpec((None, spec.dim), tf.float32),
        parallel_iterations=1,
    )
    return embedded, mask
