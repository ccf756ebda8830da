"""How models of one spectrogram begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from avkeras.features.front_end import FrontEnd


def spectrogram_input(
    front_end: FrontEnd, *, standardize: bool = True
) -> tuple[dict[str, keras.KerasTensor], keras.KerasTensor]:
    """Returns the inputs `audio` and `audio_mask` of a model of whole clips, and the levels `(batch, frames, bands)`.

    Masked frames count as zeros, which is what published code pads with. The levels are standardised per band by
    training statistics, which `avkeras.training.run.standardise` sets.

    Args:
        front_end: of the spectrogram, with padding: every clip has all frames.
        standardize: whether the levels are.
    """
    import keras

    from avkeras.layers.masking import CleanInput
    from avkeras.layers.standardization import PerBandStandardization

    inputs = {
        "audio": keras.Input((front_end.frames, front_end.bands), name="audio"),
        "audio_mask": keras.Input((front_end.frames,), dtype="bool", name="audio_mask", optional=True),
    }
    # Levels are too large for half precision until they are standardised.
    levels, _, _ = CleanInput(name="audio_clean", dtype="float32")(inputs["audio"], inputs["audio_mask"])
    if standardize:
        levels = PerBandStandardization(name="standardization", dtype="float32")(levels)
    return inputs, levels


def finished_model(inputs, outputs, *, name: str, dtype: str) -> keras.Model:
    """Returns the model, which knows the precision of its layers, as the optimizer wants."""
    import keras

    from avkeras.models.sequence_model import SequenceModel

    model = SequenceModel(inputs=inputs, outputs=outputs, name=name)
    model.dtype_policy = keras.dtype_policies.get(dtype)
    return model
