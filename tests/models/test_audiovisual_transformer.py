import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.layers.attention import ATTENTION_FUNCTIONS
from avkeras.layers.positions import SinusoidalPositions
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.training.adam import Adam

DIMS = {"video": 12, "audio": 6}
PAIRS = list(itertools.product(DIMS, DIMS))
SMALL = {"classes": 5, "dims": DIMS, "blocks": 2, "dim": 16, "num_heads": 2, "key_dim": 8, "hidden_dim": 24}
ONE_BLOCK = {**SMALL, "blocks": 1}
# Clip 0 is whole, clip 1 padded in both inputs, clip 2 lacks the video, clip 3 the audio.
LENGTHS = {"video": [7, 4, 0, 7], "audio": [7, 5, 3, 0]}


@pytest.fixture(scope="module")
def model():
    return AudiovisualTransformer(**SMALL)


def clips(*, padding=0, junk=0.0, lengths=LENGTHS):
    """Four clips; what is no real frame holds `junk`; `padding` frames more than the longest clip."""
    given = {}
    for modality, dim in DIMS.items():
        frames = np.random.default_rng(len(modality) + dim).normal(size=(4, 30, dim)).astype("float32")
        mask = np.arange(7 + padding) < np.array(lengths[modality])[:, None]
        given[modality] = np.where(mask[..., None], frames[:, : 7 + padding], np.float32(junk))
        given[f"{modality}_mask"] = mask
    return given


def needed(given, model):
    return {name: given[name] for name in model.input}


def gradients(model, given):
    """Outputs, gradients per input and per weight of a loss that differs per clip and class."""
    inputs = {name: tf.constant(value) for name, value in needed(given, model).items()}
    sequences = [name for name in inputs if not name.endswith("_mask")]
    targets = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch([inputs[name] for name in sequences])
        outputs = model(inputs)
        loss = tf.reduce_sum(outputs * targets)
    weights = [weight.value for weight in model.trainable_weights]
    to_inputs, to_weights = tape.gradient(loss, [[inputs[name] for name in sequences], weights])
    return outputs.numpy(), dict(zip(sequences, to_inputs, strict=True)), to_weights


@pytest.mark.parametrize(
    ("first", "second", "attention"),
    [
        *((*pair, "sigmoid") for pair in PAIRS),
        *(("video", "audio", attention) for attention in ATTENTION_FUNCTIONS if attention != "sigmoid"),
    ],
)
def test_padding_and_absence_reach_neither_output_nor_gradient(first, second, attention):
    model = AudiovisualTransformer(**SMALL, first=first, second=second, positions=("audio",), attention=attention)
    clean = gradients(model, clips())
    for given in (clips(junk=np.nan), clips(junk=1e30), clips(junk=np.inf), clips(padding=4, junk=np.nan)):
        outputs, to_inputs, to_weights = gradients(model, given)
        np.testing.assert_allclose(outputs, clean[0], rtol=0, atol=1e-6)
        for modality, gradient in to_inputs.items():
            mask = given[f"{modality}_mask"]
            gradient = gradient.numpy()
            assert (gradient[~mask] == 0).all()
            np.testing.assert_allclose(gradient[:, :7], clean[1][modality], atol=1e-6)
            assert (np.abs(gradient[mask]).sum(axis=-1) > 0).all()
        for gradient, wanted in zip(to_weights, clean[2], strict=True):
            assert np.isfinite(gradient).all()
            np.testing.assert_allclose(gradient, wanted, atol=1e-5)


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("attention", ATTENTION_FUNCTIONS)
def test_a_clip_alone_equals_the_clip_in_a_batch(attention, aggregation):
    model = AudiovisualTransformer(**SMALL, attention=attention, aggregation=aggregation, positions=("video", "audio"))
    given = clips(padding=3, junk=np.nan)
    batch = model(given).numpy()
    for index in range(4):
        one = {name: value[index : index + 1] for name, value in given.items()}
        np.testing.assert_allclose(model(one)[0], batch[index], atol=1e-6)
    # Without any padding, and without masks at all where both inputs are there.
    for index in (0, 1):
        cut = {name: given[name][index : index + 1, : LENGTHS[name][index]] for name in DIMS}
        np.testing.assert_allclose(model(cut)[0], batch[index], atol=1e-6)


def test_an_absent_second_input_takes_the_length_of_the_first(model):
    """However many padded frames the absent input has, from the length of the first on."""
    given = {name: value[3:] for name, value in clips().items()}
    wanted = model(given)
    for frames in (8, 20):
        nothing = np.full((1, frames, 6), np.nan, "float32")
        longer = given | {"audio": nothing, "audio_mask": np.zeros((1, frames), bool)}
        np.testing.assert_allclose(model(longer), wanted, atol=1e-6)


def test_masks_left_out_equal_masks_all_true(model):
    given = clips(lengths={"video": [7] * 4, "audio": [7] * 4})
    bare = {name: given[name] for name in DIMS}
    wanted = model(given)
    np.testing.assert_array_equal(model(bare), wanted)
    np.testing.assert_array_equal(model({**bare, "audio_mask": given["audio_mask"]}), wanted)
    np.testing.assert_array_equal(model({**bare, "video_mask": None, "audio_mask": None}), wanted)
    np.testing.assert_allclose(model.predict(bare, verbose=0), wanted, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_masks_of_numbers(model, dtype):
    given = clips()
    numbers = {name: value.astype(dtype) if name.endswith("_mask") else value for name, value in given.items()}
    np.testing.assert_array_equal(model(numbers), model(given))


def test_what_absence_does(model):
    """No video: the score comes from the audio alone, and the other way round."""
    outputs, to_inputs, _ = gradients(model, clips())
    assert (to_inputs["video"].numpy()[2] == 0).all()
    assert (to_inputs["audio"].numpy()[3] == 0).all()
    assert (to_inputs["audio"].numpy()[2, :3] != 0).any()
    assert (to_inputs["video"].numpy()[3] != 0).any()
    given = clips()
    given["video_mask"] = np.roll(given["video_mask"], 1, axis=0)  # now the first clip has video and the second, not 2
    assert np.abs(model(given) - outputs).max() > 1e-4


def test_the_cross_attention_is_shut_where_the_first_input_is_absent(model):
    given = clips()
    before = model(given).numpy()
    weights = model.get_weights()
    for index in (1, 2):
        attention = model.get_layer(f"decoder_{index}").cross_attention.attentions[0]
        attention.output_bias.assign_add(np.arange(16) * 0.1)
    after = model(given).numpy()
    model.set_weights(weights)
    np.testing.assert_array_equal(after[2], before[2])
    assert (np.abs(after - before).max(axis=1) > 1e-6)[[0, 1, 3]].all()


def test_positions_per_modality():
    """Each choice answers otherwise, and only a modality without positions may be shuffled."""
    models = {}
    for positions in ((), ("video",), ("audio",), ("video", "audio")):
        keras.utils.set_random_seed(3)
        models[positions] = AudiovisualTransformer(**SMALL, positions=positions)
    outputs = {positions: model(clips()).numpy() for positions, model in models.items()}
    for one, other in itertools.combinations(outputs.values(), 2):
        assert np.abs(one[0] - other[0]).max() > 1e-5
    whole = {name: value[:1] for name, value in clips().items()}
    for positions, model in models.items():
        for modality in DIMS:
            shuffled = whole | {modality: whole[modality][:, [3, 5, 0, 6, 2, 1, 4]]}
            change = np.abs(model(shuffled) - model(whole)).max()
            assert change > 1e-5 if modality in positions else change < 1e-6
        places = {layer.name for layer in model.layers if isinstance(layer, SinusoidalPositions)}
        wanted = {"video": "first_positions", "audio": "second_positions"}
        assert places == {wanted[modality] for modality in positions}


def test_aggregation_pools_the_frames():
    given = clips()
    for method in ("mean", "max"):
        model = AudiovisualTransformer(**SMALL, aggregation=method).with_attention()
        found = model(given)
        for index, length in enumerate((7, 5, 3, 7)):  # the audio's frames; the stand-in's are as many as the video's
            frames = found["frame_probabilities"][index, :length].numpy()
            pooled = frames.mean(axis=0) if method == "mean" else frames.max(axis=0)
            np.testing.assert_allclose(found["probabilities"][index], pooled, atol=1e-6)


@pytest.mark.parametrize("attention", ATTENTION_FUNCTIONS)
def test_with_attention(attention):
    model = AudiovisualTransformer(**SMALL, attention=attention)
    given = clips(junk=np.nan)
    found = model.with_attention()(given)
    assert set(found) == {"probabilities", "frame_probabilities", "attention_1", "attention_2"}
    np.testing.assert_array_equal(found["probabilities"], model(given))
    for index in (1, 2):
        weights = found[f"attention_{index}"].numpy()
        assert weights.shape == (4, 2, 7, 7)
        assert np.isfinite(weights).all()
        present = weights[[0, 1, 3]]
        assert (present[1, ..., 4:] == 0).all()
        if attention != "sigmoid":
            np.testing.assert_allclose(present.sum(axis=-1), 1, atol=1e-5)
    predicted = model.with_attention().predict({name: given[name] for name in model.input}, verbose=0)
    np.testing.assert_allclose(predicted["attention_2"], found["attention_2"], atol=1e-6)


@pytest.mark.parametrize("first", DIMS)
def test_same_modality_twice_has_one_input(first):
    model = AudiovisualTransformer(**SMALL, first=first, second=first)
    assert set(model.input) == {first, f"{first}_mask"}
    assert model(needed(clips(), model)).shape == (4, 5)


def test_absent_altogether_scores_zero(model):
    """No frame at all: zeros, not NaN."""
    given = clips(junk=np.nan, lengths={"video": [0] * 4, "audio": [0] * 4})
    outputs, _, to_weights = gradients(model, given)
    np.testing.assert_array_equal(outputs, np.zeros((4, 5)))
    assert all(np.isfinite(gradient).all() for gradient in to_weights)


def parameters(*, classes, video, audio, blocks, dim, heads, key, hidden):
    """Counted from the paper's description, biases included."""
    attention = 3 * (dim + 1) * heads * key + (heads * key + 1) * dim
    feed_forward = (dim + 1) * hidden + (hidden + 1) * dim
    encoder = attention + feed_forward + 2 * 2 * dim
    decoder = 2 * attention + feed_forward + 3 * 2 * dim
    maps = (video + 1) * dim + (audio + 1) * dim
    return maps + dim + blocks * (encoder + decoder) + (dim + 1) * classes  # dim: the stand-in


def trainable(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def test_parameter_count(model):
    assert trainable(model) == parameters(classes=5, video=12, audio=6, blocks=2, dim=16, heads=2, key=8, hidden=24)
    paper = AudiovisualTransformer(dims={"video": 4096, "audio": 128})
    assert trainable(paper) == parameters(
        classes=17, video=4096, audio=128, blocks=3, dim=128, heads=3, key=128, hidden=128
    )
    assert paper.output_shape == (None, 17)


def test_every_value_reaches_get_config_and_the_layers():
    values = {
        "classes": ["a", "b", "c"],
        "dims": {"video": 9, "audio": 4},
        "first": "audio",
        "second": "video",
        "positions": ["audio"],
        "attention": "normalized_sigmoid",
        "aggregation": "max",
        "blocks": 1,
        "dim": 12,
        "num_heads": 4,
        "key_dim": 5,
        "hidden_dim": 7,
        "dropout": 0.3,
        "epsilon": 1e-4,
        "layer_norm_epsilon": 1e-3,
    }
    model = AudiovisualTransformer(**values, name="mine")
    config = model.get_config()
    assert config == values | {"name": "mine", "trainable": True, "dtype": "float32"}
    block = {name: values[name] for name in ("dim", "num_heads", "key_dim", "hidden_dim", "dropout", "epsilon")}
    block |= {"attention": "normalized_sigmoid", "layer_norm_epsilon": 1e-3}
    for layer in (model.get_layer("encoder_1"), model.get_layer("decoder_1")):
        assert block.items() <= layer.get_config().items()
    assert model.get_layer("first_map").kernel.shape == (4, 12)
    assert model.get_layer("second_map").kernel.shape == (9, 12)
    assert model.get_layer("first_dropout").rate == model.get_layer("second_dropout").rate == 0.3
    assert model.get_layer("probabilities").method == "max"
    assert model.get_layer("frame_probabilities").units == 3
    assert "first_positions" in {layer.name for layer in model.layers}
    assert AudiovisualTransformer.from_config(config).get_config() == config


def test_clone(model):
    """Keras makes a plain functional model of it."""
    copy = keras.models.clone_model(model)
    assert not {id(weight) for weight in copy.weights} & {id(weight) for weight in model.weights}
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(clips()), model(clips()))


def dataset(*, masks=True):
    given = clips() if masks else {name: clips()[name] for name in DIMS}
    targets = np.random.default_rng(0).integers(0, 2, (4, 5)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((given, targets)).batch(4).repeat(2)


@pytest.mark.parametrize("masks", [True, False])
def test_fit_save_load(tmp_path, masks):
    model = AudiovisualTransformer(**ONE_BLOCK)
    model.compile(Adam(), "binary_crossentropy")
    before = model.get_weights()
    history = model.fit(dataset(masks=masks), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    changed = [np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True)]
    idle = [weight.path for weight, moved in zip(model.weights, changed, strict=True) if not moved]
    assert idle == ([] if masks else ["stand_in/vector"])
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert isinstance(loaded, AudiovisualTransformer)
    assert loaded.get_config() == model.get_config()
    given = clips(junk=np.nan)
    np.testing.assert_array_equal(loaded(given), model(given))
    for trained in (model, loaded):  # the optimiser's state comes back too: both go on alike
        keras.utils.set_random_seed(0)
        trained.evaluate(dataset(masks=masks), verbose=0)
    assert loaded.optimizer.iterations == model.optimizer.iterations
    for old, new in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(new, old)


def test_one_batch_can_be_learnt():
    model = AudiovisualTransformer(**ONE_BLOCK, dropout=0.0)
    model.compile(Adam(0.01), "binary_crossentropy")
    history = model.fit(dataset().repeat(30), shuffle=False, verbose=0).history
    assert model.evaluate(dataset(), verbose=0) < 0.1 < 0.5 < history["loss"][0] + 0.5


@pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_mixed_precision(policy):
    model, full = AudiovisualTransformer(**ONE_BLOCK, dtype=policy), AudiovisualTransformer(**ONE_BLOCK)
    full.set_weights(model.get_weights())
    given = clips(junk=np.nan)
    outputs = model(given)
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(outputs, full(given), atol=0.02)
    assert model.get_layer("encoder_1").compute_dtype == policy.removeprefix("mixed_")
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    assert model.get_config()["dtype"] == policy
    model.compile(Adam(), "binary_crossentropy")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    before = model.get_weights()
    assert np.isfinite(model.fit(dataset(), shuffle=False, verbose=0).history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert any(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))


def test_global_policy_is_followed():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = AudiovisualTransformer(**SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("decoder_2").compute_dtype == "bfloat16"
    assert model.get_config()["dtype"] == "mixed_bfloat16"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"first": "touch"}, "first names 'touch', dims holds only video, audio"),
        ({"second": "touch"}, "second names 'touch', dims holds only video, audio"),
        ({"positions": ("audio", "touch")}, "positions names 'touch', dims holds only video, audio"),
        ({"attention": "relu"}, "attention must be one of softmax, sigmoid, normalized_sigmoid, not 'relu'"),
        ({"aggregation": "median"}, "method must be 'mean' or 'max', not 'median'"),
        ({"dropout": 1.5}, r"rate must be in \[0, 1\), not 1.5"),
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        AudiovisualTransformer(**SMALL | wrong)


def test_an_absent_second_input_padded_to_fewer_frames_gives_the_same():
    model = AudiovisualTransformer(
        classes=3, dims={"video": 5, "audio": 6}, first="audio", second="video",
        positions=("video",), blocks=1, dim=8, key_dim=4, hidden_dim=8,
    )  # fmt: skip
    audio = np.random.default_rng(0).normal(size=(1, 6, 6)).astype("float32")
    answers = [
        model({"audio": audio, "video": np.full((1, n, 5), np.nan, "float32"), "video_mask": np.zeros((1, n), bool)})
        for n in (1, 6, 9)
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    np.testing.assert_allclose(answers[2], answers[1], atol=1e-6)
