"""The harness must catch what it promises to catch."""

import keras
import numpy as np
import pytest
from keras import ops
from layer_harness import check_layer

INPUTS = np.ones((2, 3, 4), "float32")


def scale_layer(
    *, keeps_config=True, uses_value=True, casts=False, detaches=False, named=True, static=True, builds=True
):
    """Makes a layer class that is right unless told otherwise."""

    @keras.saving.register_keras_serializable(package="avkeras")
    class Scale(keras.layers.Layer):
        def __init__(self, *, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor
            self.map = keras.layers.Dense(4, name="map" if named else None, dtype=self.dtype_policy)

        def build(self, input_shape):
            if builds:
                self.map.build(input_shape)

        def call(self, inputs):
            mapped = ops.stop_gradient(self.map(inputs)) if detaches else self.map(inputs)
            mapped = mapped * (self.factor if uses_value else 2.0)
            return ops.cast(mapped, "float32") if casts else mapped

        def compute_output_shape(self, input_shape):
            return input_shape if static else (*input_shape[:-1], 5)

        def compute_output_spec(self, inputs):
            return keras.KerasTensor(
                self.compute_output_shape(inputs.shape), "float32" if casts else self.compute_dtype
            )

        def get_config(self):
            return {**super().get_config(), "factor": self.factor if keeps_config else 2.0}

    return Scale


def test_accepts_a_right_layer():
    check_layer(scale_layer(), {"factor": 3.0}, INPUTS, alternatives={"factor": 5.0})


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"keeps_config": False}, "get_config changed factor"),
        ({"uses_value": False}, "factor changes no sub-layer"),
        ({"casts": True}, "mixed_float16 gives"),
        ({"detaches": True}, "no gradient reaches"),
        ({"named": False}, "a sub-layer has no fixed name"),
        ({"static": False}, "static shapes"),
        ({"builds": False}, "build does not create all weights"),
    ],
)
def test_catches(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(scale_layer(**fault), {"factor": 3.0}, INPUTS, alternatives={"factor": 5.0})


def test_asks_for_an_alternative_of_every_value():
    with pytest.raises(AssertionError, match=r"no alternative value for .*factor"):
        check_layer(scale_layer(), {"factor": 3.0}, INPUTS)
