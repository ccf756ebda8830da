import sys

import numpy as np
import pytest
from PIL import Image

from avkeras.data.manifest import Clip
from avkeras.datasets.demo.write import write_mp4, write_wav
from avkeras.errors import AvkerasError
from avkeras.media.video import load_frames
from avkeras.models.audiovisual_transformer import AudiovisualTransformer
from avkeras.models.ensemble import ensemble
from avkeras.reports import tagging_figures, visualize
from avkeras.reports.curves import training_curves
from avkeras.reports.drawing import ACCENT, log_mel
from avkeras.reports.visualize import attention_figure, clip_attention_figure

RATE = 16_000
GREY = (236, 236, 236)


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).clip(-1, 1).astype("float32")


def inputs_of(frames, heads=2):
    return {
        "attention": np.random.default_rng(0).dirichlet(np.ones(frames), (heads, frames)),
        "times": 0.48 + 0.96 * np.arange(frames),
        "waveform": noise(0.96 * frames),
        "pictures": np.full((frames, 18, 32, 3), (0, 200, 0), np.uint8),
    }


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def share(picture, colour):
    return (np.abs(picture.astype(int) - colour).max(axis=2) < 3).mean()


def ring_column(picture):
    """Where the query's ring stands, as a share of the width."""
    accent = [int(ACCENT[at : at + 2], 16) for at in (1, 3, 5)]
    upper = picture[: len(picture) // 3]
    columns = np.flatnonzero((np.abs(upper.astype(int) - accent).max(axis=2) < 3).mean(axis=0) > 0.2)
    return (columns[0] + columns[-1]) / 2 / picture.shape[1]


def test_the_ring_stands_around_the_query(tmp_path):
    paths = [attention_figure(tmp_path / f"{query}.png", query=query, **inputs_of(6)) for query in (0, 1, 5)]
    places = [ring_column(read(path)) for path in paths]
    assert places[1] - places[0] > 0.1
    assert places[2] - places[1] == pytest.approx(4 * (places[1] - places[0]), abs=0.01)


def test_the_heat_map_shows_the_weights_of_the_query_and_of_no_other(tmp_path):
    values = inputs_of(6)
    before = read(attention_figure(tmp_path / "before.png", query=2, **values))
    values["attention"] = values["attention"].copy()
    values["attention"][:, [0, 1, 3, 4, 5]] = 0.0
    np.testing.assert_array_equal(read(attention_figure(tmp_path / "others.png", query=2, **values)), before)
    values["attention"][0, 2] = values["attention"][0, 2, ::-1].copy()
    changed = (read(attention_figure(tmp_path / "query.png", query=2, **values)) != before).any(axis=(1, 2))
    assert changed.any()
    below = np.flatnonzero(changed)[-1] / len(before)  # the first head's row, not the second's
    assert 0.5 < below < 0.8


def test_pictures_that_were_not_seen_are_said_to_be_missing(tmp_path):
    values = inputs_of(5)
    green, grey = [], []
    for missing in range(0, 6, 5):
        seen = np.arange(5) >= missing
        picture = read(attention_figure(tmp_path / "a.png", query=0, seen=seen, **values))
        green.append(share(picture, (0, 200, 0)))
        grey.append(share(picture, GREY))
    assert green[0] > 0.1 > green[1] == 0
    assert grey[0] < 0.01 < grey[1]
    silent = read(attention_figure(tmp_path / "b.png", query=0, **values | {"pictures": None}))
    assert share(silent, GREY) > 0.1


@pytest.mark.parametrize(("first", "second"), [("audio", "video"), ("audio", "audio"), ("video", "video")])
@pytest.mark.parametrize("frames", [1, 40])
def test_all_places_and_lengths_can_be_drawn(tmp_path, first, second, frames):
    values = inputs_of(frames)
    path = attention_figure(tmp_path / "new" / "a.png", query=frames - 1, first=first, second=second, **values)
    picture = read(path)
    assert picture.shape[1] < 2300  # it fits on a screen however long the clip is
    assert (share(picture, (0, 200, 0)) > 0) == ("video" in (first, second))


def test_silence_is_drawn_dark():
    assert log_mel(np.zeros(RATE, "float32")).max() <= -40
    assert log_mel(noise(1.0)).max() == pytest.approx(0.0, abs=1e-3)


def test_a_long_title_goes_on_in_further_lines(tmp_path):
    # matplotlib writes the words of an SVG as comments beside the outlines of the letters
    title = "a-very-long-clip-name: " + ", ".join(f"sound{number}" for number in range(9))
    lines = attention_figure(tmp_path / "a.svg", query=0, title=title, **inputs_of(3)).read_text()
    assert all(f"sound{number}" in lines for number in range(9))
    assert title not in lines
    heights = [
        len(read(attention_figure(tmp_path / "a.png", query=0, title=text, **inputs_of(3)))) for text in ("a", title)
    ]
    assert heights[1] > heights[0]


def test_the_drawn_clips_are_sure_ones_with_something_to_see(monkeypatch):
    contrasts = {"black": 0.0, "grey": 4.0, "seen": 40.0, "sharp": 90.0}
    names = ["black", "sharp", "grey", "seen", "seen", "sharp", "seen"]
    certainty = np.array([0.9, 0.3, 0.8, 0.7, 0.2, 0.6, 0.1])
    monkeypatch.setattr(tagging_figures, "contrast", contrasts.__getitem__)
    rows = tagging_figures.choose_clips(names, certainty[:, None], np.arange(7) != 3)
    assert [(row["place"], row["contrast"]) for row in rows] == [(5, 90.0), (1, 90.0), (4, 40.0)]
    # Too few can be seen well: the rest by their contrast.
    rows = tagging_figures.choose_clips(names, certainty[:, None], np.arange(7) < 3)
    assert [row["place"] for row in rows] == [1, 2, 0]


def test_the_contrast_of_a_clip_is_that_of_its_pictures(tmp_path, clip):
    def contrast_of(picture):
        path = tmp_path / "clip.mp4"
        write_mp4(path, noise(2.0)[:, None], RATE, [picture] * 10, frame_rate=5, encoder="mpeg4")
        return tagging_figures.contrast(Clip("a", path, path, "test", ()))

    assert contrast_of(np.zeros((36, 64, 3), np.uint8)) < 3
    halves = np.zeros((36, 64, 3), np.uint8)
    halves[:18] = 250
    assert contrast_of(halves) > 80
    write_wav(tmp_path / "a.wav", noise(1.0)[:, None], RATE)
    assert tagging_figures.contrast(Clip("a", tmp_path / "a.wav", None, "test", ())) == 0
    assert tagging_figures.contrast(Clip("a", tmp_path / "a.wav", tmp_path / "a.wav", "test", ())) == 0


def test_no_global_state_of_matplotlib_is_touched(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure = attention_figure(tmp_path / "a.svg", query=0, title="A title " * 40, **inputs_of(3))
    assert "<svg" in figure.read_text()
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_what_cannot_be_drawn_is_named(tmp_path):
    with pytest.raises(AvkerasError, match="query 3 do not fit"):
        attention_figure(tmp_path / "a.png", query=3, **inputs_of(3))
    with pytest.raises(AvkerasError, match=r"a\.jpg: figures are written as"):
        attention_figure(tmp_path / "a.jpg", query=0, **inputs_of(3))
    (tmp_path / "file").touch()
    with pytest.raises(AvkerasError, match="cannot be written"):
        attention_figure(tmp_path / "file" / "a.png", query=0, **inputs_of(3))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    random = np.random.default_rng(1)
    pictures = [np.full((36, 64, 3), random.integers(0, 256, 3), np.uint8) for _ in range(20)]
    write_mp4(path, noise(4.0)[:, None], RATE, pictures, frame_rate=5, encoder="mpeg4")
    return path


@pytest.fixture(scope="module")
def model():
    dims = {"video": 6, "audio": 128}
    return AudiovisualTransformer(classes=2, dims=dims, dim=16, key_dim=8, blocks=2, attention="softmax")


def drawn(monkeypatch):
    """What is handed to `attention_figure`."""
    seen = {}
    monkeypatch.setattr(visualize, "attention_figure", lambda path, **values: seen.update(values) or path)
    return seen


def test_a_clip_is_embedded_and_its_last_block_drawn(monkeypatch, tmp_path, model, clip, embedders):
    values = drawn(monkeypatch)
    options = {"audio": clip, "audio_embedder": embedders["audio"], "video_embedder": embedders["video"]}
    clip_attention_figure(tmp_path / "a.png", ensemble([model]), video=clip, **options)
    assert values["pictures"].shape == (4, 36, 64, 3)  # as they are, not as the embedder takes them
    inputs = {
        "audio": embedders["audio"](values["waveform"])[None],
        "video_mask": values["seen"][None],
    }
    pictures, _ = load_frames(clip, values["times"], size=(8, 12))
    inputs["video"] = embedders["video"](pictures / np.float32(255))[None]
    expected = model.with_attention()(inputs)
    np.testing.assert_allclose(values["attention"], np.asarray(expected["attention_2"])[0], atol=1e-5)
    np.testing.assert_allclose(values["attention"].sum(axis=-1), 1, atol=1e-5)
    best = np.asarray(expected["probabilities"])[0].argmax()
    assert values["query"] == np.asarray(expected["frame_probabilities"])[0, :, best].argmax()
    assert values["title"] == "clip.mp4"


def test_a_clip_without_video_can_be_drawn(tmp_path, model, embedders):
    write_wav(tmp_path / "sound.wav", noise(3.0)[:, None], RATE)
    path = clip_attention_figure(
        tmp_path / "a.png",
        model,
        audio=tmp_path / "sound.wav",
        video=None,
        audio_embedder=embedders["audio"],
        video_embedder=embedders["video"],
        query=1,
    )
    assert share(read(path), GREY) > 0.05


def test_a_model_that_tells_no_attention_is_refused(tmp_path, clip, embedders):
    import keras

    options = {"audio": clip, "video": clip, "audio_embedder": embedders["audio"], "video_embedder": None}
    with pytest.raises(AvkerasError, match="plain: gives no attention"):
        clip_attention_figure(tmp_path / "a.png", keras.Sequential(name="plain"), **options)


def write_losses(path, validation):
    rows = [f"{epoch},{0.5 / epoch},{loss}" for epoch, loss in enumerate(validation, start=1)]
    path.write_text("\n".join(["epoch,loss,val_loss", *rows]) + "\n")
    return path


def test_curves_mark_the_early_stop_where_the_rule_holds(tmp_path):
    rising = [0.5, *np.linspace(0.3, 0.4, 8)]
    # matplotlib writes the words of an SVG as comments beside the outlines of the letters
    stopped = training_curves(write_losses(tmp_path / "a.csv", rising), tmp_path / "a.svg", patience=7).read_text()
    assert "early stop: 9" in stopped
    assert "lowest: 0.3 in epoch 2" in stopped
    assert "ensemble of 7 epochs" in stopped
    falling = [*rising[:-1], 0.2]
    going = training_curves(write_losses(tmp_path / "b.csv", falling), tmp_path / "b.svg", keep=3).read_text()
    assert "early stop" not in going
    assert "ensemble of 3 epochs" in going


@pytest.mark.parametrize("losses", [[0.5], [0.5, "nan", 0.4], ["nan", "nan"]])
def test_short_and_broken_courses_can_be_drawn(tmp_path, losses):
    path = training_curves(write_losses(tmp_path / "a.csv", losses), tmp_path / "a.png", title="Course")
    assert read(path).std() > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,loss\n1,0.5\n", "no column 'val_loss'"),
        ("epoch,loss,val_loss\n1,0.5\n", "missing or is no number"),
        ("epoch,loss,val_loss\n1,0.5,much\n", "no number"),
        ("epoch,loss,val_loss\n", "holds no epoch"),
    ],
)
def test_tables_that_cannot_be_drawn_are_named(tmp_path, text, words):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(AvkerasError, match=f"metrics.csv: .*{words}"):
        training_curves(tmp_path / "metrics.csv", tmp_path / "a.png")
    with pytest.raises(AvkerasError, match=r"missing\.csv: cannot be read"):
        training_curves(tmp_path / "missing.csv", tmp_path / "a.png")
