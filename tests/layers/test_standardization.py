import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_harness import check_layer

from avkeras.layers.standardization import ClipMinMax, PerBandStandardization

RANDOM = np.random.default_rng(0)
CLIPS = [RANDOM.normal(3, 2, size=(frames, 4)).astype("float32") for frames in (5, 9, 1)]
FRAMES = np.concatenate(CLIPS)


def call_after_silence(layer, inputs, training=False):
    """Calls a layer that silence has been shown to while training, so that the least deviation shows."""
    outputs = layer(inputs)
    if not training or not tf.executing_eagerly():
        return outputs
    layer.adapt([np.zeros((2, 4))])
    return outputs + layer(inputs)


def test_harness():
    check_layer(PerBandStandardization, {}, CLIPS[0][None], alternatives={"epsilon": 0.5}, call=call_after_silence)


@pytest.mark.parametrize("form", ["clips", "dataset", "batches"])
def test_adapts_to_the_frames_of_all_clips(form):
    if form == "dataset":
        clips = tf.data.Dataset.from_generator(lambda: CLIPS, output_signature=tf.TensorSpec((None, 4)))
    elif form == "batches":
        padded = np.full((3, 9, 4), np.nan, "float32")
        mask = np.arange(9) < np.array([[5], [9], [1]])
        padded[mask] = FRAMES
        clips = [(padded, mask)]
    else:
        clips = CLIPS
    layer = PerBandStandardization()
    assert layer.adapt(clips) == len(FRAMES)
    np.testing.assert_allclose(layer.mean, FRAMES.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(layer.deviation, FRAMES.std(axis=0), rtol=1e-6)
    outputs = np.asarray(layer(FRAMES[None]))[0]
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std(axis=0), 1, rtol=1e-5)


def test_means_far_from_zero_keep_their_deviation():
    layer = PerBandStandardization()
    layer.adapt([clip.astype("float64") + 1e6 for clip in CLIPS])
    np.testing.assert_allclose(layer.deviation, FRAMES.std(axis=0), rtol=1e-5)


def test_statistics_are_kept_through_save_and_load_and_set_weights(tmp_path):
    def make_model():
        inputs = keras.Input((None, 4))
        return keras.Model(inputs, PerBandStandardization(name="standardization")(inputs))

    model, copy = make_model(), make_model()
    copy.predict(CLIPS[0][None], verbose=0)  # a function traced before the statistics are known
    model.get_layer("standardization").adapt(CLIPS)
    copy.set_weights(model.get_weights())
    model.save(tmp_path / "model.keras")
    wanted = (CLIPS[0] - FRAMES.mean(axis=0)) / FRAMES.std(axis=0)
    for each in (model, copy, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(each.predict(CLIPS[0][None], verbose=0)[0], wanted, rtol=1e-4, atol=1e-5)


def test_refuses_nothing_and_what_is_not_finite():
    with pytest.raises(ValueError, match="no frame to adapt to"):
        PerBandStandardization().adapt([(CLIPS[0], np.zeros(5, bool))])
    with pytest.raises(ValueError, match="a value is not finite, after 5 frames: mask what is padding"):
        PerBandStandardization().adapt([CLIPS[0], np.full((2, 4), np.nan)])


def test_clip_min_max_harness():
    mask = np.arange(5) < np.array([[5], [3], [0]])
    inputs = {"inputs": RANDOM.normal(size=(3, 5, 4)).astype("float32"), "padding_mask": mask}
    check_layer(ClipMinMax, {}, inputs, alternatives={"epsilon": 0.5})


def test_each_clip_reaches_from_0_to_1_whatever_its_padding_holds():
    levels = RANDOM.normal(-30, 20, size=(3, 5, 4)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3], [0]])
    scaled = np.asarray(ClipMinMax()(np.where(mask[..., None], levels, 1e4), mask))
    for place, frames in enumerate((5, 3)):
        own = levels[place, :frames]
        np.testing.assert_allclose(scaled[place, :frames], (own - own.min()) / np.ptp(own), atol=1e-5)
    assert not scaled[~mask].any()


def test_a_silent_clip_is_0_in_half_precision_too():
    scaled = ClipMinMax(dtype="mixed_float16")(np.full((1, 3, 2), -80.0))
    assert scaled.dtype.name == "float16"
    assert np.asarray(scaled).tolist() == np.zeros((1, 3, 2)).tolist()
