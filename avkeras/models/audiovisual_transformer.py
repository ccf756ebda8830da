"""The audiovisual transformer (Boes and Van hamme, 2019): audio tagging from two sequences of embeddings."""

import numbers
from collections.abc import Mapping, Sequence

import keras

from avkeras.layers.dense import Dense
from avkeras.layers.dropout import Dropout
from avkeras.layers.masking import Aggregation, CleanInput, StandIn
from avkeras.layers.positions import SinusoidalPositions
from avkeras.layers.transformer import TransformerDecoderBlock, TransformerEncoderBlock
from avkeras.models.built_model import built_config, class_count, model_from_config
from avkeras.models.sequence_model import SequenceModel


@keras.saving.register_keras_serializable(package="avkeras")
class AudiovisualTransformer(SequenceModel):
    """The audiovisual transformer for audio tagging (2019, section 2.2 and figure 3).

    An ordinary functional Keras model. Its input is a dict with, per modality, the embeddings
    `(batch, frames, dim)` and, optional, a mask `<modality>_mask` `(batch, frames)`: False marks padding, and a clip
    whose mask is False throughout lacks that modality. Padding and absent inputs reach neither output nor gradient.
    An absent first input shuts the cross-attention for that clip; for an absent second input a learnt vector stands
    in for every frame.

    Args:
        classes: number of sound event classes, or their names.
        dims: width of the embeddings per modality.
        first: modality that feeds the encoder.
        second: modality that feeds the decoder; it may be the same one.
        positions: modalities that get sinusoidal positional encodings.
        attention: `"softmax"`, `"sigmoid"` or `"normalized_sigmoid"`.
        aggregation: `"mean"` or `"max"` over the frame probabilities.
        blocks: encoder blocks, and as many decoder blocks.
        dim: width of the model.
        num_heads: attention heads.
        key_dim: width of queries, keys and values of one head.
        hidden_dim: width of the feed-forward's ReLU map.
        dropout: rate.
        epsilon: of the normalised sigmoid.
        layer_norm_epsilon: of the layer normalisation.
        dtype: policy of every layer but the last, e.g. `"mixed_float16"`; default: Keras' global one.

    Returns:
        Clip probabilities `(batch, classes)`, float32.

    Example:
        >>> import numpy as np
        >>> model = AudiovisualTransformer(classes=17, dims={"video": 4096, "audio": 128})
        >>> model.compile("adam", "binary_crossentropy")
        >>> clips = {"video": np.ones((2, 10, 4096), "float32"), "audio": np.ones((2, 10, 128), "float32")}
        >>> model.predict(clips, verbose=0).shape
        (2, 17)
    """

    def __init__(
        self,
        *,
        classes: int | Sequence[str] = 17,
        dims: Mapping[str, int],
        first: str = "video",
        second: str = "audio",
        positions: Sequence[str] = ("video",),
        attention: str = "sigmoid",
        aggregation: str = "mean",
        blocks: int = 3,
        dim: int = 128,
        num_heads: int = 3,
        key_dim: int = 128,
        hidden_dim: int = 128,
        dropout: float = 0.1,
        epsilon: float = 1e-7,
        layer_norm_epsilon: float = 1e-6,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ) -> None:
        if isinstance(positions, str):
            raise ValueError(f"positions must be a list of modalities, not '{positions}'")
        for name, modality in (("first", first), ("second", second), *(("positions", name) for name in positions)):
            if modality not in dims:
                raise ValueError(f"{name} names '{modality}', dims holds only {', '.join(dims)}")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        block = {
            "dim": dim,
            "num_heads": num_heads,
            "key_dim": key_dim,
            "hidden_dim": hidden_dim,
            "attention": attention,
            "dropout": dropout,
            "epsilon": epsilon,
            "layer_norm_epsilon": layer_norm_epsilon,
            "dtype": policy,
        }
        inputs = {}
        for modality in dict.fromkeys((first, second)):
            inputs[modality] = keras.Input((None, dims[modality]), name=modality)
            inputs[f"{modality}_mask"] = keras.Input((None,), dtype="bool", name=f"{modality}_mask", optional=True)

        def embed(modality, place):
            x, mask, present = CleanInput(name=f"{place}_clean", dtype=policy)(
                inputs[modality], inputs[f"{modality}_mask"]
            )
            x = Dense(dim, name=f"{place}_map", dtype=policy)(x)
            return Dropout(dropout, name=f"{place}_dropout", dtype=policy)(x), mask, present

        def locate(x, modality, place):
            return SinusoidalPositions(name=f"{place}_positions", dtype=policy)(x) if modality in positions else x

        encoded, first_mask, first_present = embed(first, "first")
        encoded = locate(encoded, first, "first")
        for index in range(blocks):
            encoded = TransformerEncoderBlock(**block, name=f"encoder_{index + 1}")(encoded, padding_mask=first_mask)

        x, second_mask, second_present = embed(second, "second")
        x, second_mask = StandIn(name="stand_in", dtype=policy)(x, second_mask, second_present, first_mask)
        x = locate(x, second, "second")
        gate = keras.layers.Reshape((1,), name="gate", dtype=policy)(first_present)
        scores = []
        for index in range(blocks):
            x, found = TransformerDecoderBlock(encoders=(first,), **block, name=f"decoder_{index + 1}")(
                x,
                encoded={first: encoded},
                padding_mask=second_mask,
                padding_masks={first: first_mask},
                weights=gate,
                return_attention_scores=True,
            )
            scores.append(found[first])
        units = class_count(classes)
        frames = Dense(units, activation="sigmoid", name="frame_probabilities", dtype="float32")(x)
        output = Aggregation(method=aggregation, name="probabilities", dtype="float32")(frames, second_mask)
        super().__init__(inputs=inputs, outputs=output, **kwargs)
        self.dtype_policy = policy  # a functional model would not know that float16 needs loss scaling
        self._attention_outputs = {"probabilities": output, "frame_probabilities": frames} | {
            f"attention_{index + 1}": score for index, score in enumerate(scores)
        }
        self._values = {
            "classes": units if isinstance(classes, numbers.Integral) else list(classes),
            "dims": dict(dims),
            "first": first,
            "second": second,
            "positions": list(positions),
            "attention": attention,
            "aggregation": aggregation,
            "blocks": blocks,
            "dim": dim,
            "num_heads": num_heads,
            "key_dim": key_dim,
            "hidden_dim": hidden_dim,
            "dropout": dropout,
            "epsilon": epsilon,
            "layer_norm_epsilon": layer_norm_epsilon,
        }

    def with_attention(self) -> keras.Model:
        """Returns a model of the same layers that also gives the cross-modal attention (2019, figures 4 to 7).

        Its output is a dict: `probabilities` `(batch, classes)`, `frame_probabilities` `(batch, frames, classes)` and,
        per decoder block, `attention_1`, `attention_2`, ... `(batch, heads, queries, keys)`.
        """
        return SequenceModel(inputs=self.input, outputs=self._attention_outputs, name=f"{self.name}_with_attention")

    def get_config(self):
        """Returns the constructor's values, and which parts are frozen."""
        return built_config(self, self._values)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model anew from `get_config`."""
        return model_from_config(cls, config)
