import dataclasses
import hashlib
import json
import runpy
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from avkeras.errors import AvkerasError
from avkeras.features.embedders import KNOWN, Embedder, EmbedderSpec, cache_folder, load_embedder
from avkeras.features.registry import EMBEDDERS
from avkeras.features.saved_model import export_embedder, fingerprint

AUDIO = EmbedderSpec("mine", "audio", 2, window=0.96, hop=0.96, least_samples=15_600)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def stand_in(cache):
    return load_embedder("vggish_stand_in", cache_dir=cache)


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty TF Hub cache, and no network whatever the machine has."""

    def offline(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    return tmp_path / "hub"


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype("float32")


def test_stand_in_has_vggish_contract_and_says_what_it_is(stand_in):
    embedded = stand_in(noise(160_000))
    assert embedded.shape == (10, 128)
    assert embedded.dtype == np.float32
    assert stand_in.spec.stand_in
    assert "NOT VGGish" in stand_in.spec.note
    np.testing.assert_allclose(stand_in.frame_times(10), np.arange(10) * 0.96 + 0.48)
    assert [spec.name for spec in KNOWN.values() if spec.stand_in] == ["vggish_stand_in", "picture_stand_in"]


def test_a_short_clip_is_padded_to_one_window_and_this_is_told(stand_in):
    short = noise(8_000)
    assert stand_in.padding(8_000) == 7_600
    np.testing.assert_array_equal(stand_in(short), stand_in(np.pad(short, (0, 7_600))))
    assert stand_in(short).shape == (1, 128)
    assert stand_in.padding(15_600) == stand_in.padding(160_000) == 0
    assert stand_in.function(short).shape == (0, 128)  # the contract of TF Hub's module


@pytest.mark.parametrize("samples", [64 * 15_360 + 239, 64 * 15_360 + 240, 64 * 15_360 + 241, 2_500_000])
def test_a_long_clip_is_embedded_in_parts_with_the_same_result(stand_in, samples):
    wave = noise(samples)
    np.testing.assert_allclose(stand_in(wave), stand_in.function(wave), atol=1e-5)


def test_building_is_done_once_and_gives_the_same_fingerprint_again(stand_in, cache, tmp_path, monkeypatch):
    again = load_embedder("vggish_stand_in", cache_dir=tmp_path)
    assert again.fingerprint == stand_in.fingerprint
    monkeypatch.setattr(
        "avkeras.features.networks.stand_in.export_embedder", lambda *_, **__: pytest.fail("built twice")
    )
    assert load_embedder("vggish_stand_in", cache_dir=cache).fingerprint == stand_in.fingerprint
    monkeypatch.setenv("AVKERAS_CACHE", str(tmp_path))
    assert load_embedder("vggish_stand_in").fingerprint == stand_in.fingerprint
    assert cache_folder("vggish_stand_in") == tmp_path / "vggish_stand_in-1"


def test_fingerprint_changes_with_weights_operations_and_constants(tmp_path):
    import tensorflow as tf

    weight = tf.Variable([[1.0, 2.0]])
    functions = {
        "once": lambda wave: wave[:, None] * weight,
        "again": lambda wave: wave[:, None] * weight,
        "operation": lambda wave: wave[:, None] + weight,
        "constant": lambda wave: wave[:, None] * weight * 1.0,
        "other_constant": lambda wave: wave[:, None] * weight * 1.5,
    }
    prints = {
        name: fingerprint(export_embedder(call, tmp_path / name, spec=AUDIO, tracked=weight))
        for name, call in functions.items()
    }
    weight.assign([[1.0, 2.5]])
    prints["weight"] = fingerprint(export_embedder(functions["once"], tmp_path / "w", spec=AUDIO, tracked=weight))
    assert prints["once"] == prints.pop("again")
    assert len(set(prints.values())) == len(prints)


def test_a_build_that_dies_leaves_nothing_and_a_second_writer_keeps_the_first(tmp_path, monkeypatch):
    import tensorflow as tf

    def dies(module, path, **_):
        (tmp_path / "reached").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            load_embedder("vggish_stand_in", cache_dir=tmp_path / "cache")
    assert (tmp_path / "reached").exists()
    assert list((tmp_path / "cache").iterdir()) == []

    folder = EMBEDDERS["vggish_stand_in"].writer()(tmp_path / "model")
    first = (folder / "saved_model.pb").stat().st_mtime_ns
    EMBEDDERS["vggish_stand_in"].writer()(folder)
    assert (folder / "saved_model.pb").stat().st_mtime_ns == first
    EMBEDDERS["vggish_stand_in"].writer()(folder, overwrite=True)
    assert (folder / "saved_model.pb").stat().st_mtime_ns > first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_efficientnet_is_built_from_the_installed_weights(cache):
    embedder = load_embedder("efficientnet_lite0", modality="video", cache_dir=cache)
    from avkeras.features.networks.efficientnet_lite0 import load_efficientnet_lite0

    pictures = np.random.default_rng(0).random((35, 224, 224, 3)).astype("float32")
    embedded = embedder(pictures)
    assert embedded.shape == (35, 1280)
    np.testing.assert_allclose(embedded[[0, 33]], load_efficientnet_lite0()(pictures[[0, 33]]), atol=1e-4)
    assert embedder(pictures[:0]).shape == (0, 1280)
    variables = cache / "efficientnet_lite0-2" / "variables" / "variables.data-00000-of-00001"
    assert variables.stat().st_size < 4 * 3_500_000  # 3.41 million parameters without the classes, once


@pytest.mark.parametrize(
    "name", ["vggish", "yamnet", "https://www.kaggle.com/models/google/vggish/TensorFlow2/vggish/1"]
)
def test_a_handle_that_cannot_be_had_says_where_to_put_it_and_how_to_go_on(name, hub_cache):
    handle = KNOWN[name].handle if name in KNOWN else name
    with pytest.raises(AvkerasError) as raised:
        load_embedder(name)
    message = str(raised.value)
    assert handle in message
    assert str(hub_cache / hashlib.sha1(handle.encode()).hexdigest()) in message
    assert "the embedders efficientnet_lite0 (video), vggish_stand_in (a stand-in, audio)" in message
    assert "TFHUB_CACHE_DIR" in message


def write_yamnet_like(folder):
    """A module with YAMNet's outputs and its way to pad the end of a waveform."""
    import tensorflow as tf

    def call(wave):
        missing = tf.maximum(tf.shape(wave)[0] - 15_600, 0)
        hops = -(-missing // 7_680)
        wave = tf.pad(wave, [[0, 15_600 + hops * 7_680 - tf.shape(wave)[0]]])
        energies = tf.reduce_sum(tf.signal.frame(wave, 15_600, 7_680) ** 2, axis=1)
        rows = energies[:, None] * tf.range(1024, dtype=tf.float32)
        return rows[:, :521], rows, rows[:, :64]

    module = tf.Module()
    module.__call__ = tf.function(call, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(folder))


def test_a_handle_is_found_in_the_hub_cache_and_its_output_selected(hub_cache):
    folder = hub_cache / hashlib.sha1(KNOWN["yamnet"].handle.encode()).hexdigest()
    write_yamnet_like(folder)
    embedder = load_embedder("yamnet", modality="audio")
    wave = noise(64 * 7_680 * 2 + 9_000)
    whole = embedder.function(wave)
    assert whole.shape == (129, 1024)
    np.testing.assert_allclose(embedder(wave), whole, rtol=1e-4)
    np.testing.assert_allclose(embedder.frame_times(2), [0.48, 0.96])
    assert load_embedder(KNOWN["yamnet"].handle).fingerprint == embedder.fingerprint
    other = dataclasses.replace(embedder.spec, output=2, dim=64)
    assert load_embedder(folder, spec=other).fingerprint != embedder.fingerprint
    with pytest.raises(AvkerasError, match="several outputs, 0 to 2; say which"):
        load_embedder(folder, spec=dataclasses.replace(other, output=None))(wave)
    with pytest.raises(AvkerasError, match=r"\(frames, 7\) expected"):
        load_embedder(folder, spec=dataclasses.replace(other, dim=7))(wave)


def test_a_hub_folder_without_a_model_is_told(hub_cache):
    folder = hub_cache / hashlib.sha1(KNOWN["vggish"].handle.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "archive.tar.gz").touch()
    with pytest.raises(AvkerasError, match="cannot be loaded as a SavedModel"):
        load_embedder("vggish")


def write_checkpoint(path, *, width):
    import tensorflow as tf

    from avkeras.features.networks import vggish

    network = vggish.build_vggish(width=width)
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.1, variable.shape) for variable in network.weights])
    values = {}
    for scope, layer in vggish.checkpoint_names().items():
        kernel, bias = network.get_layer(layer).get_weights()
        values |= {f"{scope}/weights": kernel, f"{scope}/biases": bias}
    with tf.Graph().as_default():
        for name, value in values.items():
            tf.compat.v1.get_variable(name, initializer=value)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            saver = tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V1)  # as the published file
            saver.save(session, str(path), write_meta_graph=False)
    return network


def test_vggish_goes_from_its_checkpoint_to_a_saved_model(tmp_path):
    from avkeras.features.networks import vggish

    network = write_checkpoint(tmp_path / "vggish_model.ckpt", width=1 / 32)
    folder = EMBEDDERS["vggish"].writer()(tmp_path / "vggish", tmp_path / "vggish_model.ckpt", width=1 / 32)
    embedder = load_embedder(folder)
    assert embedder.spec == KNOWN["vggish"]
    wave = noise(40_000)
    expected = network(vggish.log_mel_patches(wave)).numpy()
    np.testing.assert_allclose(embedder(wave), expected, atol=1e-5)

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "pca.npz", pca_eigen_vectors=rng.normal(size=(128, 128)), pca_means=expected.mean(0)[:, None])
    folder = EMBEDDERS["vggish"].writer()(
        tmp_path / "pca", tmp_path / "vggish_model.ckpt", pca=tmp_path / "pca.npz", width=1 / 32
    )
    whitened = load_embedder(folder)
    assert (whitened.spec.name, whitened.spec.handle) == ("vggish_pca", None)
    values = vggish.postprocess(expected, *vggish.read_pca(tmp_path / "pca.npz"))
    np.testing.assert_allclose(whitened(wave), values, atol=1)  # one level, where rounding falls the other way
    assert whitened.fingerprint != embedder.fingerprint


def test_vggish_is_built_from_the_published_files_only(tmp_path):
    def build(checkpoint, **options):
        return EMBEDDERS["vggish"].writer()(tmp_path / "vggish", checkpoint, **options)

    write_checkpoint(tmp_path / "vggish_model.ckpt", width=1 / 32)
    with pytest.raises(AvkerasError, match=r"ckpt: MD5 \w{32}, but vggish_model\.ckpt has d1c7011e6366aa34"):
        build(tmp_path / "vggish_model.ckpt")
    with pytest.raises(AvkerasError, match=r"absent\.ckpt: no such file; vggish_model\.ckpt"):
        build(tmp_path / "absent.ckpt")
    with pytest.raises(AvkerasError, match="This is not the published VGGish checkpoint"):
        build(tmp_path / "vggish_model.ckpt", width=1 / 16)
    with pytest.raises(AvkerasError, match="cannot be read as a TensorFlow checkpoint"):
        build(tmp_path / "absent.ckpt", width=1 / 32)
    assert not (tmp_path / "vggish").exists()


def small_picture_network(size=(224, 224), units=4096):
    import keras

    pictures = keras.Input((*size, 3))
    x = keras.layers.Conv2D(4, 5, strides=16, activation="relu")(pictures)
    return keras.Model(pictures, keras.layers.Dense(units)(keras.layers.GlobalAveragePooling2D()(x)))


def test_vgg16_is_exported_with_its_preprocessing_and_its_weights_once(tmp_path, monkeypatch):
    import keras

    network = small_picture_network()
    monkeypatch.setenv("AVKERAS_CACHE", str(tmp_path))
    with pytest.raises(AvkerasError, match=r"vgg16: not built yet(.|\n)*hub_models/vgg16\.py --out .*vgg16-2"):
        load_embedder("vgg16")
    folder = EMBEDDERS["vgg16"].writer()(cache_folder("vgg16"), network=network)
    embedder = load_embedder("vgg16")
    pictures = np.random.default_rng(0).random((3, 224, 224, 3)).astype("float32")
    expected = network(keras.applications.vgg16.preprocess_input(pictures * 255.0))
    np.testing.assert_allclose(embedder(pictures), expected, rtol=1e-4, atol=1e-3)
    size = (folder / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert 4 * network.count_params() <= size < 1.5 * 4 * network.count_params() + 20_000


@pytest.mark.slow
def test_the_whole_vgg16_goes_through_its_export(tmp_path):
    import keras

    from avkeras.features.networks.vgg16 import build_vgg16

    network = build_vgg16()
    assert network.count_params() == 134_260_544
    folder = EMBEDDERS["vgg16"].writer()(tmp_path / "vgg16", network=network)
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 540e6
    embedder = load_embedder(folder)
    shutil.rmtree(folder)  # pytest keeps its folders
    pictures = np.random.default_rng(0).random((2, 224, 224, 3)).astype("float32")
    expected = network(keras.applications.vgg16.preprocess_input(pictures * 255.0))
    np.testing.assert_allclose(embedder(pictures), expected, rtol=1e-3, atol=1e-4)


def test_a_foreign_model_for_pictures_is_described_by_a_trial_call(tmp_path):
    import tensorflow as tf

    network = small_picture_network(size=(64, 48), units=7)
    module = tf.Module()
    module.network = network
    call = tf.function(lambda x: {"features": network(x)}, input_signature=[tf.TensorSpec((None, 64, 48, 3))])
    tf.saved_model.save(module, str(tmp_path / "foreign"), signatures=call)
    with pytest.raises(AvkerasError, match=r"give its modality, or write embedder\.json into"):
        load_embedder(tmp_path / "foreign")
    with pytest.raises(AvkerasError, match="give its window and hop"):
        load_embedder(tmp_path / "foreign", modality="audio")
    embedder = load_embedder(tmp_path / "foreign", modality="video")
    assert (embedder.spec.dim, embedder.spec.size) == (7, (64, 48))
    pictures = np.random.default_rng(0).random((2, 64, 48, 3)).astype("float32")
    np.testing.assert_allclose(embedder(pictures), network(pictures), atol=1e-5)
    spec = {"name": "ours", "modality": "video", "dim": 7, "size": [64, 48]}
    (tmp_path / "foreign" / "embedder.json").write_text(json.dumps(spec))
    assert load_embedder(tmp_path / "foreign").spec == EmbedderSpec("ours", "video", 7, size=(64, 48))
    for broken in ("{", '{"name": "ours"}', '{"name": "ours", "modality": "smell", "dim": 7}'):
        (tmp_path / "foreign" / "embedder.json").write_text(broken)
        with pytest.raises(AvkerasError, match=r"embedder\.json: does not describe an embedder"):
            load_embedder(tmp_path / "foreign")


def test_a_bundle_that_holds_the_embedder_can_be_saved_and_loaded(stand_in, tmp_path):
    import tensorflow as tf

    bundle = tf.Module()
    bundle.embedder = stand_in.module
    bundle.__call__ = tf.function(
        lambda wave: tf.reduce_mean(stand_in.function(wave), axis=0), input_signature=[tf.TensorSpec([None])]
    )
    tf.saved_model.save(bundle, str(tmp_path / "bundle"))
    wave = noise(40_000)
    np.testing.assert_allclose(tf.saved_model.load(str(tmp_path / "bundle"))(wave), stand_in(wave).mean(0), atol=1e-5)


def test_wrong_names_modalities_and_inputs_are_refused_in_one_line(stand_in, cache, tmp_path):
    with pytest.raises(AvkerasError, match=r"no such embedder\. Known ones: vggish, yamnet, efficientat, vgg16, "):
        load_embedder("vggsh")
    with pytest.raises(AvkerasError, match="vggish_stand_in: is an embedder for audio, one for video is wanted"):
        load_embedder("vggish_stand_in", modality="video", cache_dir=cache)
    with pytest.raises(AvkerasError, match="one for audio is wanted"):  # before anything is built
        load_embedder("efficientnet_lite0", modality="audio", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
    waves = {"empty": noise(0), "mono": noise(8).reshape(2, 4), "floats": np.zeros(16_000, "int16")}
    for message, wave in waves.items():
        with pytest.raises(AvkerasError, match=message):
            stand_in(wave)
    pictures = Embedder(EmbedderSpec("mine", "video", 2, size=(4, 5)), lambda x: x[:, 0, 0, :2], fingerprint="")
    wrong = {
        r"\(frames, 4, 5, 3\), not": np.zeros((2, 5, 4, 3), "float32"),
        "divide 8-bit values by 255": np.zeros((2, 4, 5, 3), "uint8"),
        r"floats in \[0, 1\]": np.full((2, 4, 5, 3), 255.0),
    }
    for message, array in wrong.items():
        with pytest.raises(AvkerasError, match=message):
            pictures(array)
    any_size = Embedder(EmbedderSpec("mine", "video", 2), lambda x: x[:, 0, 0, :2], fingerprint="")
    assert any_size(np.zeros((2, 9, 7, 3))).shape == (2, 2)
    for shape in ((2,), (9, 7, 3), (2, 9, 7, 4)):
        with pytest.raises(AvkerasError, match=r"\(frames, height, width, 3\), not"):
            any_size(np.zeros(shape))
    with pytest.raises(AvkerasError, match="no frame times of its own"):
        pictures.frame_times(3)
    with pytest.raises(AvkerasError, match="needs window and hop"):
        EmbedderSpec("mine", "audio", 2)


def test_importing_the_registry_does_not_import_tensorflow():
    code = "import sys, avkeras.features.registry; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_scripts_write_a_model_or_say_what_is_missing(stand_in, tmp_path, monkeypatch, capsys):
    scripts = Path(__file__).parents[2] / "hub_models"

    def run(script, *options):
        monkeypatch.setattr(sys, "argv", [script, *map(str, options)])
        runpy.run_path(str(scripts / script), run_name="__main__")

    run("vggish_stand_in.py", "--out", tmp_path / "stand_in")
    assert "It is a stand-in, not a trained network" in capsys.readouterr().out
    assert load_embedder(tmp_path / "stand_in").fingerprint == stand_in.fingerprint
    failing = {
        ("vgg16.py", "--weights"): r"absent: no such file; vgg16_weights.*64373286793e3c8b2b4e3219cbf3544b",
        ("efficientnet_lite0.py", "--weights"): "absent: cannot be read",
        ("vggish.py", "--checkpoint"): r"absent: no such file; vggish_model\.ckpt .*d1c7011e6366aa34176bb05c705e31a8",
        ("openl3.py", "--weights"): "absent: cannot be read as a weight file of Keras",
        ("tce.py", "--weights"): "absent: cannot be read: No such file",
        ("yamnet.py", "--weights"): r"absent: no such file; yamnet\.h5 \(15 MB, SHA-256 13c3308955bbfaef262f175a",
    }
    for (script, option), message in failing.items():
        with pytest.raises(SystemExit, match=message):
            run(script, "--out", tmp_path / "out", option, tmp_path / "absent")
    assert not (tmp_path / "out").exists()


def test_a_model_with_a_table_is_written_without_a_graph_for_the_library(tmp_path):
    import tensorflow as tf

    keys, values = tf.constant([0, 1], tf.int64), tf.constant([0.5, 2.0])
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), 0.0)
    module.weight = tf.Variable(tf.ones((3, 4)))

    def call(pictures):
        return tf.reduce_mean(pictures, (1, 2)) @ module.weight * module.table.lookup(tf.constant([1], tf.int64))

    spec = EmbedderSpec("tabled", "video", 4, size=(8, 8))
    folder = export_embedder(call, tmp_path / "tabled", spec=spec, tracked=module)
    assert not (folder / "assets.extra").exists()
    np.testing.assert_allclose(load_embedder(folder)(np.ones((2, 8, 8, 3), "float32")), 6.0)


def test_a_small_model_is_written_with_a_graph_that_gives_the_same(embedders, tmp_path):
    folder = embedders["video"].folder
    assert (folder / "assets.extra" / "library" / "saved_model.pb").is_file()
    pictures = np.random.default_rng(0).random((5, 8, 12, 3), "float32")
    for optimised in (False, True):
        alone = load_embedder(folder, runtime="library", optimised=optimised)
        assert alone.fingerprint == embedders["video"].fingerprint
        np.testing.assert_allclose(alone(pictures), embedders["video"](pictures), rtol=1e-5, atol=1e-6)
