import inspect
from pathlib import Path

import numpy as np
import pytest

from avkeras.errors import AvkerasError
from avkeras.features.networks import efficientnet_lite0, openl3, picture_stand_in, stand_in, vgg16, vggish, yamnet
from avkeras.features.networks.weight_files import checksum, find_weights


def sine(seconds, hertz=1000.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16_000)) / 16_000).astype("float32")


def test_vggish_front_end_gives_the_published_values_of_a_sine():
    patches = vggish.log_mel_patches(sine(3)).numpy()
    assert patches.shape == (3, 96, 64)
    assert patches.dtype == np.float32
    assert patches.mean() == pytest.approx(-3.42962, abs=1e-5)
    assert patches.std() == pytest.approx(2.12658, abs=1e-5)
    np.testing.assert_allclose(patches[0, 0, :5], [-4.48313, -4.27083, -4.17064, -4.23771, -4.47502], atol=1e-5)


def test_vggish_front_end_equals_the_formula_in_numpy():
    wave = np.random.default_rng(0).normal(0, 0.1, 31_000).astype("float32")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([wave[start : start + 400] * window for start in range(0, len(wave) - 399, 160)])
    spectra = np.abs(np.fft.rfft(frames, 512))

    def mel(hertz):
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(125), mel(7500), 66)
    bins = mel(np.linspace(0, 8000, 257))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0
    expected = np.log(spectra @ weights + 0.01)[:192].reshape(2, 96, 64)[: (len(frames) // 96)]
    np.testing.assert_allclose(vggish.log_mel_patches(wave), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "patches"),
    [(0, 0), (1, 0), (399, 0), (15_599, 0), (15_600, 1), (30_959, 1), (30_960, 2), (160_000, 10)],
)
def test_vggish_gives_a_patch_per_whole_window(samples, patches):
    assert vggish.log_mel_patches(np.zeros(samples, "float32")).shape == (patches, 96, 64)


def test_vggish_has_the_published_number_of_parameters():
    network = vggish.build_vggish()
    assert network.count_params() == 72_141_184
    assert network.output_shape == (None, 128)
    assert network.get_layer("fc2").activation.__name__ == "linear"
    assert network.get_layer("pool4").output.shape == (None, 6, 4, 512)


def test_vggish_takes_the_variables_of_its_checkpoint_and_names_those_that_do_not_fit():
    network = vggish.build_vggish(width=1 / 32)
    rng = np.random.default_rng(0)
    arrays = {"global_step": np.int64(3)}
    for scope, layer in vggish.checkpoint_names().items():
        for variable, suffix in zip(network.get_layer(layer).weights, ("weights", "biases"), strict=True):
            arrays[f"{scope}/{suffix}"] = rng.normal(size=variable.shape).astype("float32")
    assert len(arrays) == 1 + len(network.weights)
    assert "vggish/conv3/conv3_2/weights" in arrays
    vggish.set_weights_from_checkpoint(network, arrays)
    np.testing.assert_array_equal(network.get_layer("conv4_1").kernel, arrays["vggish/conv4/conv4_1/weights"])
    np.testing.assert_array_equal(network.get_layer("fc1_2").bias, arrays["vggish/fc1/fc1_2/biases"])
    del arrays["vggish/conv1/biases"]
    arrays["vggish/fc2/weights"] = np.zeros((2, 2))
    with pytest.raises(AvkerasError, match=r"conv1/biases: not in(.|\n)*fc2/weights: shape \(2, 2\)"):
        vggish.set_weights_from_checkpoint(network, arrays)


def test_vgg16_preprocessing_is_that_of_keras():
    import keras

    pictures = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    expected = keras.applications.vgg16.preprocess_input(pictures * 255.0)
    np.testing.assert_allclose(vgg16.caffe_preprocess(pictures), expected, atol=1e-3)


def test_vgg16_weights_that_cannot_be_had_are_named(tmp_path, monkeypatch):
    import keras

    def offline(*_, **__):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    with pytest.raises(AvkerasError, match=r"vgg16_weights(.|\n)*64373286793e3c8b2b4e3219cbf3544b(.|\n)*`weights`"):
        find_weights(vgg16.WEIGHTS)
    other = tmp_path / "other.h5"
    other.write_bytes(b"something else")
    with pytest.raises(AvkerasError, match=r"other\.h5: MD5"):
        find_weights(vgg16.WEIGHTS, other)
    with pytest.raises(AvkerasError, match="no such file"):
        find_weights(vgg16.WEIGHTS, tmp_path / "absent.h5")


def test_every_published_file_is_named_with_its_checksum():
    files = (vgg16.WEIGHTS, vggish.CHECKPOINT, vggish.PCA, openl3.WEIGHTS, yamnet.WEIGHTS)
    digits = {"md5": 32, "sha256": 64, "git blob": 40}
    for file in files:
        assert len(bytes.fromhex(file.digest)) * 2 == digits[file.algorithm]
        assert file.url.endswith("/" + file.name)
    readme = (Path(__file__).parents[2] / "hub_models" / "README.md").read_text(encoding="utf-8")
    assert [file.name for file in files if f"`{file.digest}`" not in readme] == []


def test_checksums_are_those_of_the_usual_programs(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"test content\n")
    assert checksum(file, "git blob") == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"  # of git's own handbook
    assert checksum(file, "md5") == "d6eb32081c822ed572b70567826d9d9d"
    assert checksum(file, "sha256") == "a1fff0ffefb9eace7230c24e50731f0a91c62f9cefdfe77121c2f607125dffae"


def test_vggish_pca_equals_the_formula_in_numpy(tmp_path):
    rng = np.random.default_rng(0)
    matrix, mean = rng.normal(0, 0.15, (128, 128)), rng.normal(size=128)
    np.savez(tmp_path / "pca.npz", pca_eigen_vectors=matrix, pca_means=mean[:, None])
    embeddings = rng.normal(size=(50, 128)).astype("float32")
    whitened = np.dot(matrix, embeddings.T - mean[:, None]).T
    expected = ((np.clip(whitened, -2, 2) + 2) * (255 / 4)).astype(np.uint8)
    assert (expected == 0).any()
    assert (expected == 255).any()
    np.testing.assert_array_equal(vggish.postprocess(embeddings, *vggish.read_pca(tmp_path / "pca.npz")), expected)


def test_vggish_pca_that_cannot_be_read_is_one_line(tmp_path):
    np.savez(tmp_path / "small.npz", pca_eigen_vectors=np.eye(2), pca_means=np.zeros(2))
    np.savez(tmp_path / "other.npz", weights=np.eye(2))
    (tmp_path / "text.npz").write_text("no arrays")
    messages = {
        "small": r"small\.npz: arrays of shapes \(2, 2\)",
        "other": r"other\.npz: cannot be read as vggish_pca_params\.npz",
        "text": r"text\.npz: cannot be read as vggish_pca",
        "absent": r"absent\.npz: cannot be read as vggish_pca",
    }
    for name, message in messages.items():
        with pytest.raises(AvkerasError, match=message):
            vggish.read_pca(tmp_path / f"{name}.npz")


@pytest.fixture(scope="module")
def classifier():
    return efficientnet_lite0.load_efficientnet_lite0(classes=1000)


def centre(picture):
    import tensorflow as tf

    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side] / 255.0
    return tf.image.resize(square, efficientnet_lite0.SIZE, antialias=True).numpy()


def test_efficientnet_recognises_real_pictures(classifier):
    # scikit-learn's two sample pictures: a flower, and a Chinese palace. ImageNet's class 985 is "daisy",
    # 698 "palace", 442 "bell cote", 663 "monastery".
    from sklearn.datasets import load_sample_image

    pictures = np.stack([centre(load_sample_image(name)) for name in ("flower.jpg", "china.jpg")])
    best = np.argsort(-classifier(pictures).numpy())[:, :5]
    assert best[0, 0] == 985
    assert best[1, 0] == 698
    assert {442, 663} <= set(best[1])


def test_efficientnet_has_the_published_number_of_parameters(classifier):
    assert classifier.count_params() == 4_694_024
    assert efficientnet_lite0.build_efficientnet_lite0().output_shape == (None, 1280)


def test_efficientnet_says_which_weights_do_not_fit():
    network = efficientnet_lite0.build_efficientnet_lite0()
    from avkeras.features.networks.legacy_pickle import read_checkpoint

    arrays = read_checkpoint(efficientnet_lite0.find_pytorch_weights())
    arrays["_blocks.9._bn7.weight"] = np.zeros(3)
    del arrays["_blocks.3._expand_conv.weight"]
    arrays["_conv_stem.weight"] = np.zeros((1, 2, 3, 4))
    with pytest.raises(AvkerasError) as raised:
        efficientnet_lite0.set_weights_from_pytorch(network, arrays)
    lines = str(raised.value).splitlines()[1:]
    assert len(lines) == 3
    assert lines[0].startswith("_conv_stem.weight: shape")
    assert lines[1] == "_blocks.3._expand_conv.weight: not in the checkpoint"
    assert lines[2] == "_blocks.9._bn7.weight: no place for it in the network"


def test_stand_in_weights_are_the_same_everywhere():
    import hashlib

    weights = stand_in.projection()
    assert weights.shape == (272, 128)
    assert hashlib.sha256(weights.astype("<f4").tobytes()).hexdigest()[:16] == "483b860ee8e3a795"
    assert np.any(weights != stand_in.projection(seed=1))


def test_stand_in_hears_pitch_loudness_and_rhythm():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 16_000).astype("float32")
    beats = noise * (np.arange(16_000) // 2_000 % 2)
    sounds = [sine(1, 300) * 0.3, sine(1, 3000) * 0.3, noise, noise * 0.1, beats, sine(1, 300) * 0.28]
    rows = np.stack([stand_in.embed_patches(vggish.log_mel_patches(s), stand_in.projection())[0] for s in sounds])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    alike = distances[0, 5]
    distances[[0, 5, *range(6)], [5, 0, *range(6)]] = np.inf
    assert distances.min() > 5 * alike
    assert np.abs(rows).max() < 10


def test_picture_stand_in_sees_where_colours_and_edges_are():
    plain = np.full((64, 64, 3), 0.5, "float32")
    red, stripes = plain.copy(), plain.copy()
    red[:32, :32] = (1.0, 0.0, 0.0)
    stripes[:, 32:][:, ::4] = 1.0
    rows = np.asarray(picture_stand_in.embed_pictures(np.stack([plain, red, stripes])))
    colours, edges = rows[:, :192].reshape(3, 8, 8, 3), rows[:, 192:].reshape(3, 4, 4, 4)
    assert (colours[1, :4, :4] != colours[0, :4, :4]).all()
    assert (colours[1, 4:] == colours[0, 4:]).all()
    # Vertical stripes: brightness changes along x and not along y, in the right half only.
    assert (edges[2, :, 2:, 0] > edges[0, :, 2:, 0] + 1).all()
    assert (edges[2, :, :, 1] == edges[0, :, :, 1]).all()
    assert np.abs(rows).max() < 10


def test_every_embedder_has_its_row_its_script_and_its_line_in_the_readme():
    from avkeras.features.registry import EMBEDDERS

    folder = Path(__file__).parents[2] / "hub_models"
    assert {path.stem for path in folder.glob("*.py")} == set(EMBEDDERS)
    rows = [line.split("|") for line in (folder / "README.md").read_text(encoding="utf-8").splitlines()]
    lines = {row[1].strip(" `"): row for row in rows if len(row) == 7}
    for name, row in EMBEDDERS.items():
        assert f'write_embedder("{name}")' in (folder / f"{name}.py").read_text(encoding="utf-8")
        _, _, _, dim, source, licence, _ = lines[name]
        assert int(dim.split()[0]) == row.spec.dim
        assert not row.spec.handle or row.spec.handle in source
        assert all(alias in source for alias in row.aliases)
        if name != "tce":  # of whose weights no licence is known
            assert licence.strip() == (row.spec.licence or "none needed")
        parameters = inspect.signature(row.writer()).parameters
        assert {*row.files, *row.switches, "directory", "overwrite"} <= set(parameters)
        assert set(row.needed) <= set(row.files)
