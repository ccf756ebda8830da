import keras
import numpy as np
import pytest
from layer_harness import check_layer

from avkeras.layers.stream_weights import StreamWeights

ENCODERS = ["audio", "openl3", "tce"]
PRESENT = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 1], [0, 0, 0]], bool)


STATES = {name: np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32") for name in ENCODERS}


def present_for(config):
    inputs = {"present": PRESENT[:, : len(config["encoders"])]}
    return inputs | ({"encoded": STATES} if config.get("gate") or config.get("absent_token") else {})


def test_harness():
    alternatives = {
        "encoders": ["audio", "openl3"],
        "training_weight": 0.75,
        "random_low": 0.5,
        "inference_weight": 0.75,
        "gate": True,
        "modality_dropout": 0.5,
        "absent_token": True,
        "seed": 2,
    }
    check_layer(StreamWeights, {"encoders": ENCODERS, "seed": 1}, present_for, alternatives=alternatives)


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.75, 0.875, 1])
@pytest.mark.parametrize("training", [False, True])
def test_shares_of_what_is_there(training, weight):
    layer = StreamWeights(
        encoders=ENCODERS, training_weight=weight if training else 0.3, inference_weight=0.3 if training else weight
    )
    weights = layer(PRESENT, training=training).numpy()
    rest = (1 - weight) / 2
    scale = weight + rest
    wanted = [[weight, rest, rest], [1, 0, 0], [weight / scale, 0, rest / scale], [0, 0, 0]]
    np.testing.assert_allclose(weights, wanted, rtol=1e-6)
    assert (weights[~PRESENT] == 0).all()


def test_the_random_weight_is_one_draw_per_batch_within_its_range():
    layer = StreamWeights(encoders=("audio", "openl3"), random_low=0.25, seed=1)
    present = np.ones((50, 2), bool)
    draws = []
    for _ in range(200):
        weights = layer(present, training=True).numpy()
        assert (weights == weights[0]).all()
        draws.append(weights[0, 0])
    assert min(draws) >= 0.25
    assert max(draws) <= 1
    np.testing.assert_allclose(np.quantile(draws, [0.1, 0.5, 0.9]), [0.325, 0.625, 0.925], atol=0.1)
    assert len(set(draws)) == 200


def test_a_layer_that_goes_on_draws_what_it_would_have_drawn():
    layer, again = (StreamWeights(encoders=ENCODERS, seed=seed) for seed in (1, 2))
    present = np.ones((1, 3), bool)
    layer(present, training=True)
    again.build(present.shape)
    kept = {}
    layer.save_own_variables(kept)
    kept = {name: keras.ops.convert_to_numpy(value).copy() for name, value in kept.items()}
    again.load_own_variables(kept)
    np.testing.assert_array_equal(layer(present, training=True), again(present, training=True))
    state = kept.pop("seed_generator_state")  # as older files lack it
    again.load_own_variables(kept)
    assert (again.seed_generator.state.numpy() != state).any()


def test_the_weight_of_inference_is_set_after_building():
    layer = StreamWeights(encoders=ENCODERS, inference_weight=0.5)
    layer.build(PRESENT.shape)
    layer.set_inference_weight(1.0)
    np.testing.assert_array_equal(layer(PRESENT[:3]), [[1, 0, 0]] * 3)
    with pytest.raises(ValueError, match=r"weight must be in \(0, 1\], not 1.5"):
        layer.set_inference_weight(1.5)


def test_audio_alone_always_gets_1():
    layer = StreamWeights(encoders=["audio"], training_weight=0.25)
    for training in (False, True):
        np.testing.assert_array_equal(layer(np.ones((2, 1), bool), training=training), [[1], [1]])


def gated(**options):
    """A layer whose gate is no longer at its start, and where each clip has at least 2 frames of a sequence."""
    random = np.random.default_rng(1)
    layer = StreamWeights(encoders=ENCODERS, gate=True, **options)
    layer.build(PRESENT.shape, {name: states.shape for name, states in STATES.items()})
    layer.gate_kernel.assign(random.normal(size=layer.gate_kernel.shape))
    layer.gate_bias.assign(random.normal(size=layer.gate_bias.shape))
    masks = {name: np.arange(5) < random.integers(2, 6, size=(4, 1)) for name in ENCODERS}
    return layer, masks


def test_the_gate_begins_with_the_shares():
    plain = StreamWeights(encoders=ENCODERS, inference_weight=0.7)
    weights, _, _ = StreamWeights(encoders=ENCODERS, inference_weight=0.7, gate=True)(PRESENT, STATES)
    np.testing.assert_allclose(weights, plain(PRESENT), rtol=1e-6)


def test_the_gate_is_a_softmax_over_what_is_there_whatever_lies_in_the_rest():
    layer, masks = gated(inference_weight=0.6)
    junk = {
        name: np.where((masks[name] & PRESENT[:, [place]])[..., None], STATES[name], np.nan)
        for place, name in enumerate(ENCODERS)
    }
    weights, encoded, _ = layer(PRESENT, junk, masks)
    wanted = np.zeros((4, 3))
    for clip, there in enumerate(PRESENT[:3]):
        means = [
            STATES[name][clip, masks[name][clip]].mean(axis=0) * there[place] for place, name in enumerate(ENCODERS)
        ]
        levels = np.concatenate(means) @ layer.gate_kernel.numpy() + layer.gate_bias.numpy()
        parts = np.array([0.6, 0.2, 0.2]) * np.exp(levels) * there
        wanted[clip] = parts / parts.sum()
    np.testing.assert_allclose(weights, wanted, rtol=1e-5)
    assert not np.allclose(wanted[0], [0.6, 0.2, 0.2], atol=0.05)
    np.testing.assert_array_equal(encoded["tce"], junk["tce"])
    layer.set_inference_weight(1.0)
    np.testing.assert_array_equal(layer(PRESENT, junk, masks)[0][:3], [[1, 0, 0]] * 3)


def test_a_dropped_sequence_is_an_absent_one_and_audio_is_never_dropped():
    present = np.ones((3000, 3), bool)
    layer = StreamWeights(encoders=ENCODERS, training_weight=0.5, modality_dropout=0.3, seed=1)
    weights = layer(present, training=True).numpy()
    kinds = [[0.5, 0.25, 0.25], [2 / 3, 0, 1 / 3], [2 / 3, 1 / 3, 0], [1, 0, 0]]
    np.testing.assert_allclose(np.unique(weights.round(4), axis=0), kinds, atol=1e-4)
    np.testing.assert_allclose((weights == 0).mean(axis=0), [0, 0.3, 0.3], atol=0.03)
    np.testing.assert_array_equal(layer(present), np.broadcast_to([0.5, 0.25, 0.25], (3000, 3)))


def test_a_vector_stands_in_for_what_is_absent_and_has_its_share():
    layer = StreamWeights(encoders=ENCODERS, absent_token=True, inference_weight=0.5)
    junk = {name: np.where(PRESENT[:, place, None, None], STATES[name], np.nan) for place, name in enumerate(ENCODERS)}
    masks = {name: np.arange(5) < 4 * PRESENT[:, [place]] for place, name in enumerate(ENCODERS)}
    weights, encoded, filled = layer(PRESENT, junk, masks)
    np.testing.assert_allclose(weights, [[0.5, 0.25, 0.25]] * 3 + [[0, 0.5, 0.5]])
    np.testing.assert_array_equal(encoded["audio"], junk["audio"])
    for place, name in enumerate(ENCODERS[1:], start=1):
        there, vector = PRESENT[:, place], layer.tokens[name].numpy()
        np.testing.assert_array_equal(np.asarray(encoded[name])[there], STATES[name][there])
        np.testing.assert_array_equal(
            np.asarray(encoded[name])[~there], np.broadcast_to(vector, ((~there).sum(), 5, 3))
        )
        np.testing.assert_array_equal(filled[name], np.where(there[:, None], masks[name], np.arange(5) == 0))


def test_encoder_states_keep_their_precision():
    half = {name: keras.ops.cast(states, "float16") for name, states in STATES.items()}
    layer = StreamWeights(encoders=ENCODERS, gate=True, absent_token=True, dtype="float32")
    weights, encoded, _ = layer(PRESENT, half)
    assert weights.dtype == "float32"
    assert {states.dtype.name for states in encoded.values()} == {"float16"}


def test_refuses_what_it_cannot_do():
    for option in ("gate", "absent_token"):
        with pytest.raises(ValueError, match=r"gate and absent_token need the encoder states \(encoded\)"):
            StreamWeights(encoders=ENCODERS, **{option: True})(PRESENT)
    with pytest.raises(ValueError, match=r"modality_dropout must be in \[0, 1\), not 1"):
        StreamWeights(encoders=ENCODERS, modality_dropout=1)


@pytest.mark.parametrize("name", ["training_weight", "random_low", "inference_weight"])
def test_refuses_weights_outside_the_range(name):
    for value in (0, -0.5, 1.5):
        with pytest.raises(ValueError, match=rf"{name} must be in \(0, 1\], not {value}"):
            StreamWeights(encoders=ENCODERS, **{name: value})
