"""OpenL3, TCE and YAMNet against their authors' networks with the same random weights, from file to SavedModel."""

import dataclasses
import hashlib
import shutil
from collections import OrderedDict

import numpy as np
import published_networks as published
import pytest
import torchvision_reference
from pytorch_files import Settings, legacy, name_modules, tensors, zipped

from avkeras.errors import AvkerasError
from avkeras.features.embedders import KNOWN, load_embedder
from avkeras.features.networks import openl3, resnet50, tce, yamnet
from avkeras.features.networks.keras_weights import read_layers, set_weights_in_order
from avkeras.features.networks.weight_files import checksum
from avkeras.features.registry import EMBEDDERS


def noise(samples):
    return np.random.default_rng(0).normal(0, 0.1, samples).astype("float32")


def shapes(model, *names):
    return [model.get_layer(name).output.shape[1:] for name in names]


@pytest.fixture(scope="module")
def published_openl3():
    return published.randomise(published.openl3_image())


@pytest.fixture(scope="module")
def published_yamnet():
    return published.randomise(published.yamnet())


@pytest.fixture(scope="module")
def checkpoint():
    """The arrays of a checkpoint of TCE by name, with torchvision's names and shapes, and torchvision's embeddings."""
    with np.load(torchvision_reference.FILE) as reference:
        names = {name: tuple(map(int, shape)) for name, *shape in map(str.split, reference["names"])}
        embeddings = reference["embeddings"]
    arrays = {f"module.backbone.{n}": torchvision_reference.random_array(n, s) for n, s in names.items()}
    for name, shape in {"fc_contrastive.weight": (128, 2048), "bn_rotation_1.running_var": (200,)}.items():
        arrays[f"module.{name}"] = np.zeros(shape, "float32")
    return arrays, embeddings


def test_networks_have_the_published_numbers_of_parameters_and_shapes():
    network = openl3.build_openl3(pooled=False)
    assert network.count_params() == 4_691_020
    assert network.output_shape == (None, 28, 28, 512)
    assert shapes(network, "pool1", "pool2", "pool3") == [(112, 112, 64), (56, 56, 128), (28, 28, 256)]
    assert network.get_layer("vision_embedding_layer").activation.__name__ == "linear"
    network = resnet50.build_resnet50()
    assert network.count_params() == 23_561_152
    assert shapes(network, "maxpool", "layer1.2.relu3") == [(56, 56, 64), (56, 56, 256)]
    assert shapes(network, "layer3.0.relu1", "layer4.2.relu3") == [(28, 28, 256), (7, 7, 2048)]
    network = yamnet.build_yamnet()
    assert network.count_params() == 3_751_369
    assert network.output_shape == [(None, 521), (None, 1024)]
    assert shapes(network, "layer1", "layer14_pointwise_relu") == [(48, 32, 32), (3, 2, 1024)]


def test_openl3_equals_the_published_network_from_its_weight_file_to_the_saved_model(
    published_openl3, tmp_path, caplog
):
    published_openl3.save_weights(tmp_path / "openl3_image_mel256_env.h5")
    EMBEDDERS["openl3"].writer()(tmp_path / "openl3", weights=tmp_path / "openl3_image_mel256_env.h5")
    assert "only its shapes were checked; openl3_image_mel256_env-v0_4_0.h5.gz has a checksum" in caplog.text
    embedder = load_embedder(tmp_path / "openl3", modality="video")
    assert embedder.spec == KNOWN["openl3"]
    # A short side of 256 already: the middle is rows 16 to 240 and, of 301 columns, 38 to 262.
    pictures = np.random.default_rng(0).random((2, 256, 301, 3)).astype("float32")
    expected = published.openl3_embeddings(published_openl3)(pictures[:, 16:240, 38:262], training=False)
    assert expected.shape == (2, 512)
    np.testing.assert_allclose(embedder(pictures), expected, atol=1e-4)


def test_openl3_may_take_signed_pictures(tmp_path):
    folder = EMBEDDERS["openl3"].writer()(tmp_path / "signed", network=openl3_mean(), signed=True)
    embedder = load_embedder(folder)
    assert embedder.spec.name == "openl3_signed"
    assert "in [-1, 1]" in embedder.spec.note
    np.testing.assert_allclose(embedder(np.full((1, 300, 300, 3), 0.25, "float32")), np.full((1, 512), -0.5), atol=1e-6)


def openl3_mean():
    import keras

    pictures = keras.Input((224, 224, 3))
    x = keras.layers.Dense(512, kernel_initializer=keras.initializers.Constant(1 / 3))(pictures)
    return keras.Model(pictures, keras.layers.GlobalAveragePooling2D()(x))


def test_openl3_refuses_other_files(tmp_path):
    packed = tmp_path / openl3.WEIGHTS.name
    packed.write_bytes(b"something else")
    with pytest.raises(AvkerasError, match=r"h5\.gz: git blob \w{40}, but .* has dbdf24a7e837"):
        openl3.load_openl3(packed)
    with pytest.raises(AvkerasError, match=r"absent\.h5\.gz: no such file; openl3_image_mel256_env"):
        openl3.load_openl3(tmp_path / "absent.h5.gz")
    with pytest.raises(AvkerasError, match=r"absent\.h5: cannot be read as a weight file"):
        openl3.load_openl3(tmp_path / "absent.h5")


@pytest.mark.slow
def test_tce_equals_torchvision_from_its_checkpoint_to_the_saved_model(checkpoint, tmp_path, monkeypatch, caplog):
    arrays, expected = checkpoint
    state, storages = tensors(arrays)
    content = {"config": Settings({"MODEL": Settings({"TRUNK": "resnet50"})}), "state_dict": state, "epoch": 50}
    (tmp_path / "tce.pth").write_bytes(zipped(content, storages, name_modules(monkeypatch)))
    with caplog.at_level("INFO"):
        folder = EMBEDDERS["tce"].writer()(tmp_path / "tce", weights=tmp_path / "tce.pth")
    assert "training only: fc_contrastive.weight, bn_rotation_1.running_var" in caplog.text
    embedder = load_embedder(folder, modality="video")
    shutil.rmtree(folder)  # pytest keeps its folders
    (tmp_path / "tce.pth").unlink()
    assert embedder.spec == KNOWN["tce"]
    embedded = embedder(torchvision_reference.pictures())
    assert expected.std() > 1
    np.testing.assert_allclose(embedded, expected, atol=1e-3)


def test_tce_says_which_names_do_not_fit(checkpoint, tmp_path, monkeypatch):
    arrays = {name: array.ravel()[:0] for name, array in checkpoint[0].items()}
    del arrays["module.backbone.conv1.weight"]
    arrays["module.backbone.layer9.0.conv1.weight"] = np.zeros(1, "float32")
    names = name_modules(monkeypatch)

    def load(content, storages=()):
        (tmp_path / "tce.pth").write_bytes(legacy(content, storages, names))
        return tce.load_tce(tmp_path / "tce.pth")

    state, storages = tensors(arrays)
    with pytest.raises(AvkerasError) as raised:
        load({"state_dict": state}, storages)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("tce.pth: The checkpoint does not fit TCE's ResNet-50.")
    assert lines[1] == "conv1.weight: not in the checkpoint"
    assert lines[2] == "bn1.weight: shape (0,), the network has (64,)"
    assert lines[-1] == "layer9.0.conv1.weight: no place for it in the network"
    assert len(lines) == 1 + 53 + 4 * 53 + 1
    for content in ({"epoch": 3}, [], {"state_dict": OrderedDict(weight=1)}):
        with pytest.raises(AvkerasError, match=r"tce\.pth: holds no state_dict"):
            load(content)
    with pytest.raises(AvkerasError, match="cannot be downloaded; give the file as `weights`"):
        EMBEDDERS["tce"].writer()(tmp_path / "tce")


@pytest.mark.parametrize("samples", [1, 399, 15_600, 15_601, 23_280, 23_281, 50_000])
def test_yamnet_front_end_is_the_published_one(samples):
    for ours, theirs in zip(
        yamnet.log_mel_patches(noise(samples)), published.yamnet_patches(noise(samples)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_yamnet_equals_the_published_network_from_its_weight_file_to_the_saved_model(
    published_yamnet, tmp_path, monkeypatch
):
    path = tmp_path / "yamnet.h5"
    published_yamnet.save_weights(path)
    with pytest.raises(AvkerasError, match=r"yamnet\.h5: SHA-256 \w{64}, but yamnet\.h5 has 13c3308955bb"):
        EMBEDDERS["yamnet"].writer()(tmp_path / "yamnet", weights=path)
    monkeypatch.setattr(yamnet, "WEIGHTS", dataclasses.replace(yamnet.WEIGHTS, digest=checksum(path, "sha256")))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    EMBEDDERS["yamnet"].writer()(tmp_path / hashlib.sha1(KNOWN["yamnet"].handle.encode()).hexdigest(), weights=path)
    embedder = load_embedder("yamnet", modality="audio")  # found in the place of TF Hub's module
    assert embedder.spec == KNOWN["yamnet"]
    wave = noise(40_000)
    spectrogram, patches = published.yamnet_patches(wave)
    scores, embeddings = published_yamnet(patches, training=False)
    np.testing.assert_allclose(embedder(wave), embeddings, atol=1e-3)
    # TF Hub's module has these three outputs too.
    for ours, theirs in zip(embedder.module(wave), (scores, embeddings, spectrogram), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    np.testing.assert_allclose(embedder.frame_times(len(embeddings))[:2], [0.48, 0.96])


def test_a_weight_file_of_keras_that_does_not_fit_is_told_layer_by_layer(published_yamnet, tmp_path):
    import keras

    published_yamnet.save_weights(tmp_path / "yamnet.h5")
    layers = read_layers(tmp_path / "yamnet.h5")
    assert (layers[0][0], layers[0][1][0].shape, len(layers)) == ("layer1/conv", (3, 3, 1, 32), 55)
    network = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, name="one"), keras.layers.Dense(4, name="two")]
    )
    before = network.get_weights()
    good = [("first", [np.ones((2, 3)), np.ones(3)]), ("second", [np.ones((3, 4)), np.ones(4)])]
    cases = {
        "two: not in the file": good[:1],
        "third: no place for it in the network": [*good, ("third", [np.ones(1)])],
        r"second: shapes \[\(4, 3\)\], the network's layer two has \[\(3, 4\), \(4,\)\]": [
            good[0],
            ("second", [np.ones((4, 3))]),
        ],
    }
    for message, wrong in cases.items():
        with pytest.raises(AvkerasError, match=rf"The weights do not fit Ours\.\n{message}$"):
            set_weights_in_order(network, wrong, what="Ours")
    np.testing.assert_equal(network.get_weights(), before)
    set_weights_in_order(network, good, what="Ours")
    assert all((array == 1).all() for array in network.get_weights())
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(AvkerasError, match=r"text\.h5: cannot be read as a weight file of Keras"):
        read_layers(tmp_path / "text.h5")
