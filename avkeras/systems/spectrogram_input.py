"""How models of one spectrogram begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from avkeras.features.front_end import FrontEnd


def spectrogram_input(front_end: FrontEnd, *, scaling: str = "standardize", masked: bool = False):
    """Returns the inputs `audio` and `audio_mask` of a model, its scaled levels `(batch, frames, bands)`, their mask.

    Masked frames are 0 before they are scaled. Of whole clips that is what published code pads with: then nothing need
    know of the mask afterwards, which is not returned.

    Args:
        front_end: of the spectrogram.
        scaling: `standardize`, per band by training statistics, which `avkeras.training.run.standardise` or
            `avkeras.experiments` set; `min_max`, of each clip to 0 to 1; or `none`.
        masked: whether the mask is returned, `(batch, frames)`.
    """
    import keras

    from avkeras.layers.masking import CleanInput
    from avkeras.layers.standardization import ClipMinMax, PerBandStandardization

    inputs = {
        "audio": keras.Input((front_end.frames, front_end.bands), name="audio"),
        "audio_mask": keras.Input((front_end.frames,), dtype="bool", name="audio_mask", optional=True),
    }
    # Levels are too large for half precision until they are scaled.
    levels, mask, _ = CleanInput(name="audio_clean", dtype="float32")(inputs["audio"], inputs["audio_mask"])
    if scaling == "standardize":
        levels = PerBandStandardization(name="standardization", dtype="float32")(levels)
    elif scaling == "min_max":
        levels = ClipMinMax(name="scaling", dtype="float32")(levels, padding_mask=mask)
    return (inputs, levels, mask) if masked else (inputs, levels)


def frame_outputs(frames: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Returns frame probabilities `(batch, frames, classes)` that are 0 where a frame is padded."""
    from avkeras.layers.masking import CleanInput

    return CleanInput(name="frame_clean", dtype="float32")(frames, mask)[0]


def finished_model(inputs, outputs, *, name: str, dtype: str) -> keras.Model:
    """Returns the model, which knows the precision of its layers, as the optimizer wants."""
    import keras

    from avkeras.models.sequence_model import SequenceModel

    model = SequenceModel(inputs=inputs, outputs=outputs, name=name)
    model.dtype_policy = keras.dtype_policies.get(dtype)
    return model
