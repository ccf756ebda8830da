"""The multi-encoder transformer and conformer (2022): tagging and detection from sound, helped by video."""

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence

import keras
from keras import ops

from avkeras.layers.conv_frontend import FILTERS, POOLING, ConvFrontend
from avkeras.layers.dense import Dense
from avkeras.layers.length_limit import LengthLimit
from avkeras.layers.masking import CleanInput
from avkeras.layers.standardization import PerBandStandardization
from avkeras.layers.stream_weights import StreamWeights
from avkeras.models.built_model import built_config, class_count, model_from_config
from avkeras.models.sequence_model import AudioRequired
from avkeras.models.stacks import Stacks

LATE_FUSIONS = ("none", "logits", "probabilities")


@keras.saving.register_keras_serializable(package="avkeras")
class MultiEncoder(AudioRequired):
    """The multi-encoder model for audio tagging and sound event detection (2022, section 2.2 and figure 4).

    An ordinary functional Keras model: uni-encoder (audio only), bi- and tri-encoder are the same class. Its input is a
    dict with log-mel frames `"audio"` `(batch, frames, bands)` and, by further input, embeddings of pictures or of
    sound `(batch, frames, dim)`; each has an optional mask `<name>_mask` `(batch, frames)`. False marks padding, and a
    clip whose mask is False throughout lacks that input. Padding and absent inputs reach neither output nor gradient.

    Audio goes through standardisation and one convolutional front end, whose vectors feed the first encoder and,
    with a class token, the decoder. Every other sequence feeds an encoder of its own. Call `adapt` with the training
    clips once before training.

    The decoder attends to all encoders at once, each by its weight: middle fusion. Two options are of Lohrenz, Li and
    Fingscheidt (2021), reference 15 of the paper, which tried both and saw no gain: with late fusion each encoder has a
    decoder of its own that attends to it alone, and what the decoders answer is weighed; tied encoders share blocks.

    Args:
        classes: number of sound event classes, or their names.
        visual_dims: width of the embeddings by input, of pictures or of sound; empty: log-mel frames only.
        block: `"transformer"` (pre-norm, learnable absolute positions, a final normalisation) or `"conformer"`
            (learnable relative positions).
        training_weight: weight of the audio encoder while training, see `StreamWeights`; None: random.
        random_low: least random weight.
        inference_weight: weight of the audio encoder in inference, until `set_inference_weight` sets another.
        gate: whether the weights of the encoders depend on their states (2022, section 4), see `StreamWeights`.
        modality_dropout: share of the clips that lack an input beside audio in training though they have it.
        absent_token: whether a learnt vector stands in for the encoder states of an absent input.
        late_fusion: what of each encoder's own decoder is weighed: `"logits"`, before the sigmoid, which multiplies
            powers of odds; `"probabilities"`; or `"none"`: one decoder attends to all encoders.
        tied_encoders: whether the encoders share all but their input maps and positions.
        bands: log-mel bands.
        max_frames: most log-mel frames; other sequences may have as many frames as the front end then gives vectors.
        blocks: blocks of each encoder, and of the decoder.
        dim: width of the model.
        num_heads: attention heads.
        key_dim: width of queries, keys and values of one head.
        hidden_dim: width of the feed-forwards' first map.
        kernel_size: of the conformer's depthwise convolution, in frames.
        frontend_kernel_size: of the front end's convolutions, in frames and bands.
        class_token: its place in the decoder, `"first"` or `"last"`, see `ClassToken`.
        final_norm: whether the transformer's encoders and decoder end with a normalisation; a conformer's do anyway.
        dropout: rate.
        filters: output channels of each stack of the front end; the last is `dim`.
        pooling: frames and bands that each stack pools into one.
        momentum: of the batch normalisation, in Keras' sense.
        batch_norm_epsilon: of the batch normalisation.
        layer_norm_epsilon: of the layer normalisation.
        dtype: policy of every layer but standardisation and output, e.g. `"mixed_float16"`; default: Keras' global one.

    Returns:
        A dict of float32 probabilities: `"clip"` `(batch, classes)` and `"frame"` `(batch, vectors, classes)`, 64
        vectors for 512 frames; a padded one is 0.

    Raises:
        ValueError: an argument does not fit, or an input has too many frames.

    Example:
        >>> import numpy as np
        >>> model = MultiEncoder(classes=10, visual_dims={"openl3": 512})
        >>> clips = {"audio": np.zeros((1, 512, 64), "float32"), "openl3": np.zeros((1, 64, 512), "float32")}
        >>> {name: output.shape for name, output in model.predict(clips, verbose=0).items()}
        {'clip': (1, 10), 'frame': (1, 64, 10)}
    """

    def __init__(
        self,
        *,
        classes: int | Sequence[str] = 10,
        visual_dims: Mapping[str, int] | None = None,
        block: str = "transformer",
        training_weight: float | None = None,
        random_low: float = 0.25,
        inference_weight: float = 0.5,
        gate: bool = False,
        modality_dropout: float = 0.0,
        absent_token: bool = False,
        late_fusion: str = "none",
        tied_encoders: bool = False,
        bands: int = 64,
        max_frames: int = 512,
        blocks: int = 3,
        dim: int = 128,
        num_heads: int = 3,
        key_dim: int = 128,
        hidden_dim: int = 512,
        kernel_size: int = 7,
        frontend_kernel_size: int = 3,
        class_token: str = "first",
        final_norm: bool = True,
        dropout: float = 0.1,
        filters: Sequence[int] = FILTERS,
        pooling: Sequence[Sequence[int]] = POOLING,
        momentum: float = 0.9,
        batch_norm_epsilon: float = 1e-3,
        layer_norm_epsilon: float = 1e-6,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ) -> None:
        visual_dims = dict(visual_dims or {})
        if block not in ("transformer", "conformer"):
            raise ValueError(f"block must be 'transformer' or 'conformer', not '{block}'")
        if late_fusion not in LATE_FUSIONS:
            raise ValueError(f"late_fusion must be one of {', '.join(LATE_FUSIONS)}, not '{late_fusion}'")
        if "audio" in visual_dims:
            raise ValueError("visual_dims names 'audio', which every model has: leave it out")
        if filters[-1] != dim:
            raise ValueError(f"the last of filters must be dim, {dim}, not {filters[-1]}")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        encoders = ("audio", *visual_dims)
        vectors = math.ceil(max_frames / math.prod(frames for frames, _ in pooling))
        stacks = Stacks(
            block=block,
            blocks=blocks,
            vectors=vectors,
            class_token=class_token,
            final_norm=final_norm,
            layer_norm_epsilon=layer_norm_epsilon,
            dtype=policy,
            values={
                "dim": dim,
                "num_heads": num_heads,
                "key_dim": key_dim,
                "hidden_dim": hidden_dim,
                "dropout": dropout,
                "kernel_size": kernel_size,
                "momentum": momentum,
                "batch_norm_epsilon": batch_norm_epsilon,
            },
        )

        inputs, embedded, masks, present = {}, {}, {}, {}
        for name, width in {"audio": bands, **visual_dims}.items():
            inputs[name] = keras.Input((None, width), name=name)
            inputs[f"{name}_mask"] = keras.Input((None,), dtype="bool", name=f"{name}_mask", optional=True)
            # Log-mel values are too large for half precision until they are standardised.
            dtype = "float32" if name == "audio" else policy
            limit = LengthLimit(
                modality=name, max_frames=max_frames if name == "audio" else vectors, name=f"{name}_limit", dtype=dtype
            )
            # A batch of clips without pictures may have no frame of them: a conformer and a learnt vector need one.
            least = 0 if name == "audio" else min(2, vectors)  # Keras warns of softmax over one
            clean = CleanInput(least_frames=least, name=f"{name}_clean", dtype=dtype)
            embedded[name], masks[name], present[name] = clean(limit(inputs[name]), inputs[f"{name}_mask"])
        audio = PerBandStandardization(name="standardization", dtype="float32")(embedded["audio"])
        embedded["audio"], masks["audio"] = ConvFrontend(
            filters=filters,
            pooling=pooling,
            kernel_size=frontend_kernel_size,
            dropout=dropout,
            momentum=momentum,
            batch_norm_epsilon=batch_norm_epsilon,
            name="frontend",
            dtype=policy,
        )(audio, padding_mask=masks["audio"])
        for name in visual_dims:
            embedded[name] = Dense(dim, name=f"{name}_map", dtype=policy)(embedded[name])

        encoded, shared = {}, stacks.encoder("encoder") if tied_encoders else None
        for name in encoders:
            encode = shared or stacks.encoder(f"{name}_encoder")
            encoded[name] = encode(stacks.locate(embedded[name], f"{name}_encoder", vectors), masks[name])

        stream_weights = StreamWeights(
            encoders=encoders,
            training_weight=training_weight,
            random_low=random_low,
            inference_weight=inference_weight,
            gate=gate,
            modality_dropout=modality_dropout,
            absent_token=absent_token,
            name="stream_weights",
            dtype="float32",
        )
        there, encoder_masks = ops.stack([present[name] for name in encoders], axis=1), masks
        if gate or absent_token:
            weights, encoded, encoder_masks = stream_weights(there, encoded=encoded, padding_masks=masks)
        else:
            weights = stream_weights(there)
        units = class_count(classes)
        states = {"encoded": encoded, "padding_masks": encoder_masks}
        if late_fusion == "none":
            x, mask = stacks.decoder(embedded["audio"], masks["audio"], encoders=encoders, weights=weights, **states)
            probabilities = Dense(units, activation="sigmoid", name="probabilities", dtype="float32")(x)
        else:
            logits = {}
            for name in encoders:
                x, own_mask = stacks.decoder(
                    embedded["audio"],
                    masks["audio"],
                    encoders=[name],
                    weights=None,
                    needed=None if name == "audio" else ops.any(encoder_masks[name], axis=1),
                    prefix="" if name == "audio" else f"{name}_",
                    **states,
                )
                mask = own_mask if name == "audio" else mask
                logits[name] = Dense(units, name=f"{name}_logits", dtype="float32")(x)
            probabilities = _weighed(logits, weights, late_fusion)
        if class_token == "first":
            clip, frame = probabilities[:, 0], probabilities[:, 1:]
        else:
            real = ops.concatenate([masks["audio"], ops.zeros_like(masks["audio"][:, :1])], axis=1)
            there = ops.logical_and(mask, ops.logical_not(real))
            clip = ops.sum(ops.where(there[..., None], probabilities, 0.0), axis=1)
            frame = probabilities[:, :-1]
        frame = ops.where(masks["audio"][..., None], frame, 0.0)
        super().__init__(inputs=inputs, outputs={"clip": clip, "frame": frame}, **kwargs)
        self.dtype_policy = policy  # a functional model would forget it: loaded again, it would be another
        self._values = {
            "classes": units if isinstance(classes, numbers.Integral) else list(classes),
            "visual_dims": visual_dims,
            "block": block,
            "training_weight": training_weight,
            "random_low": random_low,
            "inference_weight": inference_weight,
            "gate": gate,
            "modality_dropout": modality_dropout,
            "absent_token": absent_token,
            "late_fusion": late_fusion,
            "tied_encoders": tied_encoders,
            "bands": bands,
            "max_frames": max_frames,
            "blocks": blocks,
            "dim": dim,
            "num_heads": num_heads,
            "key_dim": key_dim,
            "hidden_dim": hidden_dim,
            "kernel_size": kernel_size,
            "frontend_kernel_size": frontend_kernel_size,
            "class_token": class_token,
            "final_norm": final_norm,
            "dropout": dropout,
            "filters": list(filters),
            "pooling": [list(pool) for pool in pooling],
            "momentum": momentum,
            "batch_norm_epsilon": batch_norm_epsilon,
            "layer_norm_epsilon": layer_norm_epsilon,
        }

    @property
    def inference_weight(self) -> float:
        """Weight of the audio encoder in inference."""
        return float(self.get_layer("stream_weights").audio_weight)

    def set_inference_weight(self, weight: float) -> None:
        """Sets the weight of the audio encoder in inference, in (0, 1]; 1 ignores video. It is saved with the model."""
        self.get_layer("stream_weights").set_inference_weight(weight)

    def with_encoder_weights(self) -> AudioRequired:
        """Returns the same model with a third output, `"encoder_weights"` `(batch, encoders)`, audio first.

        Example:
            >>> model = MultiEncoder(classes=10, visual_dims={"openl3": 512}).with_encoder_weights()
            >>> {name: output.shape for name, output in model.output.items()}
            {'clip': (None, 10), 'frame': (None, None, 10), 'encoder_weights': (None, 2)}
        """
        found = self.get_layer("stream_weights").output
        weights = found[0] if isinstance(found, tuple | list) else found
        outputs = {**self.output, "encoder_weights": weights}
        return AudioRequired(inputs=self.input, outputs=outputs, name=f"{self.name}_with_encoder_weights")

    def adapt(self, clips: Iterable) -> int:
        """Sets the per-band statistics from the training clips (2022, section 3.1.2).

        Args:
            clips: inputs of the model, single or in batches, as dicts that hold `"audio"` and perhaps `"audio_mask"`;
                or tuples that begin with one, as a training dataset gives.

        Returns:
            The number of frames counted.
        """
        inputs = (clip[0] if isinstance(clip, tuple) else clip for clip in clips)
        return self.get_layer("standardization").adapt(
            (clip["audio"], clip["audio_mask"]) if "audio_mask" in clip else clip["audio"] for clip in inputs
        )

    def get_config(self):
        """Returns the constructor's values, and which parts are frozen."""
        return built_config(self, self._values)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model anew from `get_config`."""
        return model_from_config(cls, config)


def _weighed(logits: Mapping, weights, late_fusion: str):
    """Returns the probabilities of the decoders together, `(batch, frames, classes)`."""
    answers = logits if late_fusion == "logits" else {name: ops.sigmoid(one) for name, one in logits.items()}
    total = sum(weights[:, place, None, None] * one for place, one in enumerate(answers.values()))
    return ops.sigmoid(total) if late_fusion == "logits" else total
