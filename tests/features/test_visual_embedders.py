"""Every visual embedder: what it does to pictures, and the papers' two ways to sample a clip."""

import numpy as np
import pytest
from media_corpus import bursts, write_clip

from avkeras.features.clip_reading import read_clip
from avkeras.features.embedders import KNOWN, load_embedder
from avkeras.features.extract import embed_clip
from avkeras.features.extract_detection import LogMelReader, picture_times
from avkeras.features.networks import efficientnet_lite0, openl3, tce
from avkeras.features.registry import EMBEDDERS

VISUAL = [spec.name for spec in KNOWN.values() if spec.modality == "video" and not spec.stand_in]


def grey_network(dim):
    """The mean of the preprocessed picture, `dim` times."""
    import keras

    pictures = keras.Input((224, 224, 3))
    x = keras.layers.GlobalAveragePooling2D()(pictures)
    return keras.Model(pictures, keras.layers.Dense(dim, kernel_initializer=keras.initializers.Constant(1 / 3))(x))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Ten seconds that grow brighter from frame to frame."""
    times = np.arange(125) * 0.08
    pictures = [np.full((48, 80, 3), round(2 * number), np.uint8) for number in range(125)]
    path = tmp_path_factory.mktemp("clip") / "brighter.mp4"
    return write_clip(path, frame_times=times, pictures=pictures, size=(48, 80), sound=bursts(10.0, 16000), rate=16000)


@pytest.fixture(scope="module")
def audio_embedder(tmp_path_factory):
    return load_embedder("vggish_stand_in", cache_dir=tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module", params=VISUAL)
def embedder(request, tmp_path_factory):
    """Each visual embedder with its own preprocessing before a network that sees only brightness."""
    network = grey_network(KNOWN[request.param].dim)
    build = EMBEDDERS[request.param].writer()
    folder = tmp_path_factory.mktemp("visual") / request.param
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "efficientnet_lite0":
            patch.setattr(efficientnet_lite0, "load_efficientnet_lite0", lambda weights: network)
            build(folder)
        else:
            build(folder, network=network)
    return load_embedder(folder, modality="video")


def test_frames_of_2019_are_embedded_at_the_centres_of_the_audio_windows(embedder, audio_embedder, clip):
    embedded = embed_clip(clip, clip, audio_embedder=audio_embedder, video_embedder=embedder)
    assert embedded.audio.shape == (10, 128)
    assert embedded.video.shape == (10, embedder.spec.dim)
    assert embedded.seen.all()
    np.testing.assert_allclose(embedded.times, 0.48 + 0.96 * np.arange(10))
    assert_brightness_follows(embedded.times, embedded.video)


def test_frames_of_2022_are_64_in_ten_seconds(embedder, clip):
    features = read_clip(LogMelReader({embedder.spec.name: embedder}), clip, clip)
    embedded = features.visual[embedder.spec.name]
    assert embedded.shape == (64, embedder.spec.dim)
    assert features.seen.all()
    assert_brightness_follows(picture_times(160_000), embedded.astype("float32"))


def assert_brightness_follows(times, embedded):
    """Brightness grows with time alone, so that a straight line through it shows that each picture has its time."""
    brightness = embedded[:, 0]
    line = np.polyval(np.polyfit(times, brightness, 1), times)
    step = (brightness.max() - brightness.min()) / 125
    assert np.abs(brightness - line).max() < 3 * step
    assert (np.diff(brightness) > 0).all()


@pytest.mark.parametrize(("height", "width"), [(360, 640), (640, 363), (180, 320), (256, 256)])
def test_pictures_are_scaled_and_cropped_as_by_pillow(height, width):
    from PIL import Image

    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8))
    picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
    scale = 256 / min(height, width)
    scaled = picture.resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
    levels = np.asarray(scaled, "float32") / 255
    batch = np.asarray(picture, "float32")[None] / 255

    def middle(half):
        top, left = (half(side - 224) for side in levels.shape[:2])
        return levels[top : top + 224, left : left + 224]

    # Pillow rounds to whole levels after each of its two passes.
    expected = middle(lambda rest: rest // 2)
    np.testing.assert_allclose(openl3.preprocess(batch)[0], expected, atol=1.6 / 255)
    np.testing.assert_allclose(openl3.preprocess(batch, signed=True)[0], 2 * expected - 1, atol=3.2 / 255)
    normalised = (middle(lambda rest: round(rest / 2)) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(tce.preprocess(batch)[0], normalised, atol=1.6 / 255 / 0.224)


def test_the_middle_is_found_as_each_package_finds_it():
    # No scaling here; 231 columns too many: openl3 begins at 455 // 2 - 112, torchvision at 115.5 rounded to even.
    columns = np.tile(np.arange(455, dtype="float32")[None, None, :, None], (1, 256, 1, 3)) / 455

    def first_by_torchvision(batch):
        return (tce.preprocess(batch).numpy()[0, 0, 0, 0] * 0.229 + 0.485) * 455

    assert openl3.preprocess(columns).numpy()[0, 0, 0, 0] * 455 == pytest.approx(115)
    assert first_by_torchvision(columns) == pytest.approx(116, abs=1e-3)
    assert first_by_torchvision(columns[:, :, :453]) == pytest.approx(114, abs=1e-3)


def test_the_long_side_is_rounded_as_in_each_package(monkeypatch):
    from avkeras.features.networks import pictures

    scaled, resize = [], pictures.resize_short_side
    monkeypatch.setattr(
        pictures, "resize_short_side", lambda *args, **options: scaled.append(resize(*args, **options)) or scaled[-1]
    )
    batch = np.zeros((1, 288, 352, 3), "float32")  # 352 * 256 / 288 = 312.9
    openl3.preprocess(batch)
    tce.preprocess(batch)
    assert [tuple(picture.shape[1:3]) for picture in scaled] == [(256, 313), (256, 312)]
