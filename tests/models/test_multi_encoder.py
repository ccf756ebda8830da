import keras
import numpy as np
import pytest
import tensorflow as tf

from avkeras.models.multi_encoder import MultiEncoder
from avkeras.training.adam import Adam

RANDOM = np.random.default_rng(0)
SMALL = {
    "classes": 4,
    "bands": 8,
    "max_frames": 32,
    "blocks": 1,
    "dim": 12,
    "num_heads": 2,
    "key_dim": 6,
    "hidden_dim": 16,
    "filters": [6, 12],
    "pooling": [[2, 2], [2, 4]],
}
VISUAL = {"openl3": 5, "tce": 7}
BLOCKS = ("transformer", "conformer")
# Where what is tested lies outside the blocks.
ONE_BLOCK = ("transformer", pytest.param("conformer", marks=pytest.mark.slow))
FUSIONS = ({"gate": True}, {"modality_dropout": 0.3}, {"absent_token": True})
LATE = ({"late_fusion": "logits"}, {"late_fusion": "probabilities"}, {"tied_encoders": True})
ALL_OF_THEM = {name: value for fusion in FUSIONS for name, value in fusion.items()}


def small_model(block="transformer", visual=("openl3",), **values):
    values = {**SMALL, "block": block, "visual_dims": {name: VISUAL[name] for name in visual}, **values}
    return MultiEncoder(**values)


def make_clips(visual=("openl3",), size=3, frames=32, steps=8):
    clips = {"audio": RANDOM.normal(size=(size, frames, 8)).astype("float32")}
    return clips | {name: RANDOM.normal(size=(size, steps, VISUAL[name])).astype("float32") for name in visual}


def without_video(clips, name="openl3", absent=(1,), junk=0.0):
    """The clips with that video taken away from some of them, and what is to lie in its place."""
    frames = clips[name].copy()
    mask = np.ones(frames.shape[:2], bool)
    for index in absent:
        frames[index], mask[index] = junk, False
    return {**clips, name: frames, f"{name}_mask": mask}


def step(model, clips):
    """Outputs and gradients, of inputs and weights, in training."""
    clips = {name: tf.constant(value) for name, value in clips.items()}
    watched = [value for name, value in clips.items() if not name.endswith("_mask")]
    with tf.GradientTape() as tape:
        for value in watched:
            tape.watch(value)
        outputs = model(clips, training=True)
        loss = sum(tf.reduce_sum(output**2) for output in outputs.values())
    weights = model.trainable_variables
    found = tape.gradient(loss, [*watched, *(w.value for w in weights)])
    names = [name for name in clips if not name.endswith("_mask")]
    return outputs, dict(zip([*names, *(w.path for w in weights)], found, strict=True))


def copy_weights(source, target):
    """Gives `target` each weight that `source` has by the same name; those must be all of target's."""
    values = {w.path: w.numpy() for w in source.weights}
    target.set_weights([values[w.path] for w in target.weights])


@pytest.mark.parametrize(
    ("block", "fusion"),
    [
        *((block, {}) for block in BLOCKS),
        *(("transformer", one) for one in (*FUSIONS, ALL_OF_THEM, LATE[1])),
        ("conformer", {"late_fusion": "logits", "tied_encoders": True}),
    ],
)
def test_absent_video_changes_no_output_and_gets_no_gradient(block, fusion):
    clips, model = make_clips(), small_model(block, training_weight=0.5, dropout=0.0, **fusion)
    layer = model.get_layer("stream_weights")
    for weight in layer.trainable_weights:  # a gate begins as zeros
        weight.assign(RANDOM.normal(size=weight.shape))
    start, draws = model.get_weights(), layer.seed_generator.state.numpy()
    results = []
    for junk in (0.0, 1e4, np.nan):
        model.set_weights(start)
        layer.seed_generator.state.assign(draws)
        outputs, gradients = step(model, without_video(clips, junk=junk))
        video = gradients["openl3"].numpy()
        assert (video[1] == 0).all()
        assert (video[[0, 2]] != 0).any()
        predicted = model.predict(without_video(clips, junk=junk), verbose=0)
        results.append([*outputs.values(), *gradients.values(), *predicted.values(), *model.get_weights()])
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert np.isfinite(another).all()
            np.testing.assert_array_equal(one, another)


@pytest.mark.parametrize("block", BLOCKS)
def test_audio_weight_1_and_absent_video_equal_a_uni_encoder_of_the_same_weights(block):
    clips = make_clips(("openl3", "tce"))
    model, uni = small_model(block, ("openl3", "tce"), name="model"), small_model(block, (), name="model")
    copy_weights(model, uni)
    wanted = uni.predict({"audio": clips["audio"]}, verbose=0)
    weighted = model.predict(clips, verbose=0)
    assert np.abs(weighted["frame"] - wanted["frame"]).max() > 1e-4
    model.set_inference_weight(1.0)
    assert model.inference_weight == 1
    ignored = model.predict(clips, verbose=0)
    model.set_inference_weight(0.25)
    for name in ("openl3", "tce"):
        clips = without_video(clips, name, (0, 1, 2), np.nan)
    absent = model.predict(clips, verbose=0)
    for name, values in wanted.items():
        np.testing.assert_allclose(ignored[name], values, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(absent[name], values, rtol=1e-5, atol=1e-6)


def answers(model, clips):
    """Its outputs, eagerly: a graph would take longer to trace than it saves."""
    return {name: np.asarray(output) for name, output in model(clips).items()}


@pytest.mark.parametrize("block", ONE_BLOCK)
def test_late_fusion_weighs_what_the_decoders_answer(block):
    clips, shares = make_clips(("openl3", "tce")), {"audio": 0.5, "openl3": 0.25, "tce": 0.25}
    by_logits = small_model(block, ("openl3", "tce"), late_fusion="logits", name="model")
    by_probabilities = small_model(block, ("openl3", "tce"), late_fusion="probabilities", name="model")
    copy_weights(by_logits, by_probabilities)
    uni = small_model(block, (), late_fusion="logits", name="model")
    copy_weights(by_logits, uni)
    part = keras.Model(by_logits.input, {name: by_logits.get_layer(f"{name}_logits").output for name in shares})
    masks = {f"{name}_mask": np.ones(values.shape[:2], bool) for name, values in clips.items()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    logits = answers(part, masks | clips)
    assert np.abs(logits["audio"] - logits["tce"]).max() > 1e-2
    wanted = {
        "logits": sigmoid(sum(share * logits[name] for name, share in shares.items())),
        "probabilities": sum(share * sigmoid(logits[name]) for name, share in shares.items()),
    }
    for model, expected in zip((by_logits, by_probabilities), wanted.values(), strict=True):
        found = answers(model, clips)
        np.testing.assert_allclose(found["clip"], expected[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["frame"], expected[:, 1:], rtol=1e-5, atol=1e-6)
    # The decoder of audio hears nothing of the others.
    alone = answers(uni, {"audio": clips["audio"]})
    np.testing.assert_allclose(alone["frame"], sigmoid(logits["audio"])[:, 1:], rtol=1e-5, atol=1e-6)
    by_logits.set_inference_weight(1.0)
    np.testing.assert_allclose(answers(by_logits, clips)["frame"], alone["frame"], rtol=1e-5, atol=1e-6)


def test_late_fusion_leaves_clips_without_video_out_of_the_statistics_of_its_decoder():
    model = small_model("conformer", late_fusion="logits", dropout=0.0, training_weight=0.5)
    start = {weight.path: weight.numpy() for weight in model.weights}
    clips = make_clips(size=1)
    clips = without_video({name: np.repeat(values, 2, axis=0) for name, values in clips.items()})  # equal but for video
    found = {}
    for name, given in (("both", clips), ("first", {key: value[:1] for key, value in clips.items()})):
        for weight in model.weights:
            weight.assign(start[weight.path])
        model(given, training=True)
        found[name] = {weight.path: weight.numpy() for weight in model.non_trainable_weights}
    moved = [path for path in found["both"] if "moving" in path and "openl3_decoder" in path]
    assert len(moved) == 2
    for path in moved:
        np.testing.assert_allclose(found["both"][path], found["first"][path], rtol=1e-5, atol=1e-6)
        assert np.abs(found["both"][path] - start[path]).max() > 1e-4


@pytest.mark.parametrize("block", ONE_BLOCK)
def test_tied_encoders_are_one_encoder_of_all_inputs(block):
    tied, apart = (small_model(block, tied_encoders=there, name="model") for there in (True, False))
    names = [{layer.name for layer in model.layers} for model in (tied, apart)]
    assert names[0] - names[1] == ({"encoder_1"} if block == "conformer" else {"encoder_1", "encoder_norm"})
    encoder = sum(
        layer.count_params() for layer in apart.layers if layer.name in ("openl3_encoder_1", "openl3_encoder_norm")
    )
    assert tied.count_params() == apart.count_params() - encoder
    values = {weight.path: weight.numpy() for weight in tied.weights}
    for weight in apart.weights:  # each of the two encoders gets the weights of the one
        path = weight.path
        for name in ("audio", "openl3"):
            for part in ("encoder_1/", "encoder_norm/"):
                path = path.replace(f"{name}_{part}", part)
        weight.assign(values[path])
    clips = make_clips()
    wanted = answers(apart, clips)
    for name, found in answers(tied, clips).items():
        np.testing.assert_allclose(found, wanted[name], rtol=1e-5, atol=1e-6)
    gradients = step(tied, clips)[1]
    assert all(np.any(gradients[name] != 0) for name in ("audio", "openl3"))


@pytest.mark.parametrize("block", BLOCKS)
def test_padding_changes_nothing(block):
    model = small_model(block, training_weight=0.5, dropout=0.0)
    start = model.get_weights()
    clips = make_clips(frames=21, steps=5)
    audio, video = np.full((3, 32, 8), np.nan, "float32"), np.full((3, 8, 5), np.nan, "float32")
    audio[:, :21], video[:, :5] = clips["audio"], clips["openl3"]
    padded = {
        "audio": audio,
        "audio_mask": np.repeat(np.arange(32)[None] < 21, 3, axis=0),
        "openl3": video,
        "openl3_mask": np.repeat(np.arange(8)[None] < 5, 3, axis=0),
    }
    outputs, gradients = step(model, clips)
    moved = model.get_weights()
    model.set_weights(start)
    padded_outputs, padded_gradients = step(model, padded)
    np.testing.assert_allclose(padded_outputs["clip"], outputs["clip"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(padded_outputs["frame"][:, :6], outputs["frame"], rtol=1e-4, atol=1e-5)
    assert np.all(padded_outputs["frame"][:, 6:] == 0)
    assert np.all(padded_gradients["audio"][:, 21:] == 0)
    for path, gradient in gradients.items():
        if path in ("audio", "openl3"):
            continue
        np.testing.assert_allclose(padded_gradients[path], gradient, rtol=1e-2, atol=1e-4, err_msg=path)
    for one, other in zip(model.get_weights(), moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", ["transformer", pytest.param("conformer", marks=pytest.mark.slow)])
def test_trains_saves_and_loads(block, tmp_path):
    fusion = ALL_OF_THEM if block == "transformer" else LATE[0] | LATE[2]
    model = small_model(block, classes=["a", "b", "c", "d"], dropout=0.0, training_weight=0.5, **fusion)
    clips = without_video(make_clips(size=4))
    targets = {"clip": np.ones((4, 4), "float32"), "frame": np.zeros((4, 8, 4), "float32")}
    assert model.adapt([clips]) == 4 * 32
    model.compile(Adam(0.01), {"clip": "binary_crossentropy", "frame": "binary_crossentropy"})
    history = model.fit(clips, targets, epochs=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    model.set_inference_weight(0.875)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is MultiEncoder
    assert loaded.get_config() == model.get_config()
    assert loaded.inference_weight == 0.875
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    wanted = model(clips)
    for name, values in loaded(clips).items():
        np.testing.assert_array_equal(values, wanted[name])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("block", BLOCKS)
def test_half_precision_keeps_float32_probabilities(block, policy):
    clips = make_clips()
    clips["audio"] = 1e5 + clips["audio"]  # beyond float16, until standardised
    full, half = small_model(block, name="model"), small_model(block, name="model", dtype=policy)
    full.adapt([clips])
    copy_weights(full, half)
    wanted, outputs = full(clips), half(clips)
    assert half.get_layer("decoder_1").compute_dtype == policy.removeprefix("mixed_")
    copy = MultiEncoder.from_config(half.get_config())
    assert copy.get_layer("decoder_1").compute_dtype == half.get_layer("decoder_1").compute_dtype
    for name, values in outputs.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted[name], atol=0.05)
    outputs, gradients = step(half, clips)
    for value in (*outputs.values(), *gradients.values()):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("block", BLOCKS)
def test_half_precision_reaches_every_sublayer(block):
    """All but what comes before the standardisation, the weights of the encoders and the probabilities."""
    model = small_model(block, dtype="mixed_bfloat16")
    layers = [
        layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.layers.InputLayer)
    ]
    wide = {layer.name for layer in layers if layer.compute_dtype != "bfloat16"}
    assert len(layers) > 40
    assert wide == {"audio_limit", "audio_clean", "standardization", "stream_weights", "probabilities"}


def test_the_paper_is_the_default():
    model = MultiEncoder(visual_dims={"openl3": 512, "tce": 2048}, block="conformer")
    names = [layer.name for layer in model.layers]
    for encoder in ("audio_encoder", "openl3_encoder", "tce_encoder", "decoder"):
        assert sum(name.startswith(f"{encoder}_") for name in names) == 3
    block = model.get_layer("decoder_3").get_config()
    wanted = {"dim": 128, "num_heads": 3, "key_dim": 128, "hidden_dim": 512, "kernel_size": 7, "dropout": 0.1}
    assert {name: block[name] for name in wanted} == wanted
    assert block["momentum"] == 0.9
    assert block["encoders"] == ["audio", "openl3", "tce"]
    assert model.get_layer("probabilities").units == 10
    outputs = model(make_paper_clip())
    assert outputs["clip"].shape == (1, 10)
    assert outputs["frame"].shape == (1, 64, 10)


def make_paper_clip():
    widths = {"audio": (512, 64), "openl3": (64, 512), "tce": (64, 2048)}
    return {name: np.zeros((1, *shape), "float32") for name, shape in widths.items()}


def test_every_value_reaches_a_layer():
    values = {
        "classes": 3,
        "training_weight": 0.5,
        "random_low": 0.5,
        "inference_weight": 0.75,
        "gate": True,
        "modality_dropout": 0.5,
        "absent_token": True,
        "late_fusion": "logits",
        "tied_encoders": True,
        "bands": 16,
        "max_frames": 40,
        "blocks": 2,
        "dim": 10,
        "num_heads": 3,
        "key_dim": 5,
        "hidden_dim": 9,
        "kernel_size": 5,
        "frontend_kernel_size": 5,
        "class_token": "last",
        "dropout": 0.3,
        "filters": [5, 12],
        "pooling": [[1, 2], [2, 4]],
        "momentum": 0.8,
        "batch_norm_epsilon": 0.01,
        "layer_norm_epsilon": 0.01,
    }
    alongside = {"dim": {"filters": [6, 10]}, "bands": {"pooling": [[2, 4], [2, 4]]}}
    before = traits(small_model("conformer", ()))
    for name, value in values.items():
        model = small_model("conformer", (), **{name: value}, **alongside.get(name, {}))
        assert model.get_config()[name] == value
        assert traits(model) != before, name
    assert small_model().get_config()["block"] == "transformer"
    names = [{layer.name for layer in small_model(final_norm=there).layers} for there in (True, False)]
    assert names[0] - names[1] == {"audio_encoder_norm", "openl3_encoder_norm", "decoder_norm"}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_class_token_at_the_end_reads_every_clip_whatever_it_is_padded_to(block):
    last = small_model(block, class_token="last", dropout=0.0)
    clips = make_clips()
    mask = np.ones((3, 32), bool)
    mask[1, 20:] = False
    alone = {name: values[1:2, : 20 if name == "audio" else None] for name, values in clips.items()}
    found = last.predict({**clips, "audio_mask": mask}, verbose=0)
    exact = last.predict(alone, verbose=0)
    np.testing.assert_allclose(found["clip"][1], exact["clip"][0], atol=1e-5)
    np.testing.assert_allclose(found["frame"][1, :5], exact["frame"][0], atol=1e-5)
    assert (found["frame"][1, 5:] == 0).all()
    gradients = step(last, clips)[1]
    assert np.any(gradients[next(name for name in gradients if name.endswith("class_token/token"))] != 0)
    if block == "conformer":
        places = [small_model(block, class_token=place).get_layer("decoder_1") for place in ("first", "last")]
        assert [layer.query_offset for layer in places] == [-1, 0]


def traits(model):
    return [layer.get_config() for layer in model._flatten_layers(include_self=False)]


def test_refuses_what_does_not_fit():
    for values, message in (
        ({"block": "recurrent"}, "block must be 'transformer' or 'conformer', not 'recurrent'"),
        ({"visual_dims": {"audio": 3}}, "visual_dims names 'audio', which every model has: leave it out"),
        ({"filters": [6, 10]}, "the last of filters must be dim, 12, not 10"),
        ({"late_fusion": "early"}, "late_fusion must be one of none, logits, probabilities, not 'early'"),
        ({"inference_weight": 0}, r"inference_weight must be in \(0, 1\], not 0"),
    ):
        with pytest.raises(ValueError, match=message):
            small_model(**values)


@pytest.mark.parametrize("block", BLOCKS)
def test_refuses_clips_that_are_too_long(block):
    model = small_model(block)
    for name, too_long in (("audio", make_clips(frames=33)), ("openl3", make_clips(steps=9))):
        message = f"{name} has .* frames, the model takes at most .*: cut the clip into windows"
        with pytest.raises(ValueError, match=message):
            model.predict(too_long, verbose=0)
        shapes = {key: tf.TensorSpec((None, None, value.shape[2])) for key, value in too_long.items()}
        predict = tf.function(model, input_signature=[shapes])
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            predict(too_long)


def test_sets_its_standardisation_from_masked_batches():
    model = small_model()
    clips = {"audio": make_clips(frames=32)["audio"], "audio_mask": np.arange(32) < np.array([[32], [10], [0]])}
    count = model.adapt([(clips, "targets")])
    frames = clips["audio"][clips["audio_mask"]]
    layer = model.get_layer("standardization")
    assert count == 42
    np.testing.assert_allclose(layer.mean, frames.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.deviation, frames.std(axis=0), rtol=1e-5)
