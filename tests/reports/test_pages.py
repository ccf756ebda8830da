"""The pages of a clip, in a browser: what they show, their controls, and that they need nothing else."""

import re
import time

import numpy as np
import pytest

from avkeras.data.manifest import Event
from avkeras.datasets.demo.write import write_mp4, write_wav
from avkeras.errors import AvkerasError
from avkeras.media.audio import load_audio
from avkeras.media.video import load_frames
from avkeras.reports.clip_pages import attention_page, event_page
from avkeras.reports.page import to_script, write_page
from avkeras.reports.playable import playable_copy
from avkeras.serving.clip_attention import ClipAttention
from avkeras.serving.prediction import EventPrediction
from avkeras.serving.windows import window_starts

RATE = 16_000
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;%%data%%"
CLASSES = ("Car", HOSTILE, "Train")


def wait_until(page, expression, *, seconds=10):
    """Playwright's own way to wait evaluates text in the page, which the page forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never became true: {expression}"
        page.wait_for_timeout(50)


def noise(seconds):
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).clip(-1, 1).astype("float32")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "clip <b>.mp4"
    random = np.random.default_rng(1)
    pictures = [np.full((36, 64, 3), random.integers(0, 256, 3), np.uint8) for _ in range(24)]
    write_mp4(path, noise(4.8)[:, None], RATE, pictures, frame_rate=5, encoder="mpeg4")
    return path


def attention(*, pictures=True):
    """A clip of 5 frames in two windows of 4; the second lies over the first."""
    random = np.random.default_rng(2)
    return ClipAttention(
        attention=tuple(random.dirichlet(np.ones(4), (2, 4)) for _ in range(2)),
        starts=(0, 1),
        times=0.48 + 0.96 * np.arange(5),
        window=0.96,
        first="video",
        second="audio",
        probabilities=np.array([0.2, 0.7, 0.6]),
        frame_probabilities=random.uniform(size=(5, 3)),
        waveform=noise(4.8),
        pictures=np.full((5, 18, 32, 3), 90, np.uint8) if pictures else None,
        seen=np.arange(5) != 2 if pictures else None,
        notes=("a note <i>",),
    )


@pytest.fixture
def page(tmp_path, clip, browser_page):
    options = {"media": clip, "classes": CLASSES, "threshold": 0.65, "query": 1, "system": "audio+video"}
    return browser_page(attention_page(tmp_path / "clip.html", attention(), **options))


def shown_weights(page):
    """The heat map as text: rows of heads, then their mean."""
    values = [float(text) for text in page.locator(".weight").all_inner_texts()]
    return np.array(values).reshape(3, -1)


def test_the_page_shows_the_weights_of_the_query_and_their_mean(page):
    weights = attention().attention[0][:, 1]
    np.testing.assert_allclose(shown_weights(page), [*weights, weights.mean(axis=0)], atol=0.0051)
    assert page.locator("[role=radio][aria-checked=true]").get_attribute("title").startswith("frame 1: 0.96 to 1.92 s")
    assert page.locator(".key", has_text="no picture").count() == 1
    assert page.title() == "clip <b>.mp4: attention"
    assert "a note <i>" in page.locator("#notes").inner_text()
    row = page.locator("#probabilities tbody tr").first
    assert row.locator("th").inner_text() == HOSTILE
    assert "✓" in row.inner_text()
    assert page.locator("#probabilities tbody tr", has_text="✓").count() == 1
    assert page.locator("img").count() == 0


def test_a_click_and_the_keys_choose_the_query_and_pin_it(page):
    page.get_by_role("radio", name="Query frame 3").click()
    assert page.locator("#pinned").is_checked()
    np.testing.assert_allclose(shown_weights(page)[:2], attention().attention[0][:, 3], atol=0.0051)
    page.keyboard.press("ArrowLeft")
    np.testing.assert_allclose(shown_weights(page)[:2], attention().attention[0][:, 2], atol=0.0051)
    assert page.evaluate("document.activeElement.title").startswith("frame 2:")
    page.keyboard.press("End")  # the last frame is in the second window alone
    assert "query frame 4" in page.locator("#query").inner_text()
    assert "window 2 of 2" in page.locator("#query").inner_text()
    np.testing.assert_allclose(shown_weights(page)[:2], attention().attention[1][:, 3], atol=0.0051)
    page.keyboard.press("Home")
    assert page.locator("#previous").is_disabled()
    page.locator("#next").click()
    assert "query frame 1 " in page.locator("#query").inner_text()


def test_the_query_follows_the_playing_clip_until_it_is_pinned(page):
    wait_until(page, "media.readyState >= 2 && media.videoWidth > 0")
    assert page.evaluate("media.duration") == pytest.approx(4.8, abs=0.15)
    page.evaluate("media.currentTime = 2.6; media.play()")
    wait_until(page, "query === 3 && !media.paused")
    page.locator("#pinned").check()
    pinned = page.evaluate("query")
    wait_until(page, "media.currentTime > 4.2")
    assert page.evaluate("query") == pinned
    page.locator("#pinned").uncheck()
    wait_until(page, "query === 4")


def test_a_clip_without_video_plays_as_sound(tmp_path, browser_page):
    write_wav(tmp_path / "sound.wav", noise(4.8)[:, None], RATE)
    options = {"media": tmp_path / "sound.wav", "classes": CLASSES, "threshold": [0.1, 0.2, 0.3], "query": 0}
    page = browser_page(attention_page(tmp_path / "a.html", attention(pictures=False), **options), width=390)
    wait_until(page, "media.readyState >= 1")
    assert page.evaluate("[media.tagName, Math.round(media.duration)]") == ["AUDIO", 5]
    assert page.locator(".key", has_text="no picture").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def prediction(path):
    scores = np.random.default_rng(3).uniform(size=(32, 3))
    return EventPrediction(
        path=path,
        events=(Event(0.5, 1.5, "Car"), Event(2.0, 4.0, HOSTILE)),
        labels=("Car",),
        probabilities=dict(zip(CLASSES, (0.9, 0.2, 0.1), strict=True)),
        scores=scores,
        seconds_per_vector=0.15,
        duration=4.8,
        log_mel=np.random.default_rng(4).normal(size=(250, 64)).astype("float32"),
        log_mel_hop=313 / 16000,
        notes=(),
        encoder_weights=({"audio": 0.25, "tce": 0.75}, {"audio": 1.0, "tce": 0.0}),
        window=3.0,
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_the_events_and_the_weights_of_the_encoders_are_shown(tmp_path, clip, browser_page, width):
    page = browser_page(event_page(tmp_path / "e.html", prediction(clip)), width=width)
    rows = page.locator("#weights tbody tr").all_inner_texts()
    assert [re.sub(r"\s+", " ", row).strip() for row in rows] == [
        "0.00 to 3.00 0.250 0.750",
        "3.00 to 4.80 1.000 0.000",
    ]
    assert page.locator(".share").all_inner_texts() == ["audio 0.25", "tce 0.75", "audio 1.00"]
    bar = page.locator(".event").first
    track = bar.locator("..")
    assert bar.bounding_box()["width"] == pytest.approx(track.bounding_box()["width"] / 4.8, abs=2)
    assert page.locator("#events tbody tr").count() == 2
    assert page.locator("img").count() == 1  # the spectrogram
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_clicks_keys_and_play_move_the_cursor(tmp_path, clip, browser_page):
    expected = prediction(clip)
    page = browser_page(event_page(tmp_path / "e.html", expected))
    wait_until(page, "media.readyState >= 1")
    page.get_by_role("button", name="Go to Car at 0.50 seconds").click()
    assert page.locator("#place").inner_text() == "0.50 s: Car"
    assert page.locator("#events tr.marked").count() == 1
    assert float(page.locator(".now").nth(2).inner_text().strip("● ")) == pytest.approx(
        expected.scores[3, 0], abs=0.0051
    )
    page.locator("#roll").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#place").inner_text() == "0.65 s: Car"
    box = page.locator(".track").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert page.evaluate("seconds") == pytest.approx(3.6, abs=0.05)
    page.evaluate("media.play()")
    wait_until(page, "seconds > 3.8 && Math.abs(seconds - media.currentTime) < 0.3")
    page.keyboard.press("Home")
    wait_until(page, "seconds < 1")


def test_a_copy_has_the_sound_of_the_clip(tmp_path):
    sound = noise(23.0)  # more than one part of it is in memory at once
    sound[3 * RATE : 22 * RATE] = 0
    kind, data = playable_copy(sound, None)
    (tmp_path / "copy.webm").write_bytes(data)
    copy = load_audio(tmp_path / "copy.webm")
    assert kind == "audio/webm"
    assert len(copy) == pytest.approx(len(sound), abs=0.05 * RATE)
    loud = [np.sqrt(np.mean(copy[second * RATE : (second + 1) * RATE] ** 2)) for second in (1, 10, 21)]
    assert loud[0] > 0.05
    assert max(loud[1:]) < 0.01
    assert np.sqrt(np.mean(copy[round(22.2 * RATE) : round(22.8 * RATE)] ** 2)) > 0.05


def test_a_long_copy_shows_each_picture_at_its_time(tmp_path):
    shades = np.linspace(0, 250, 46).astype(np.uint8)  # darker at first, half a second each
    pictures = [np.full((32, 48, 3), shade, np.uint8) for shade in shades]
    write_mp4(tmp_path / "a.mp4", noise(23.0)[:, None], RATE, pictures, frame_rate=2, encoder="mpeg4")
    kind, data = playable_copy(noise(23.0), tmp_path / "a.mp4")
    (tmp_path / "copy.webm").write_bytes(data)
    assert kind == "video/webm"
    times = np.array([1.2, 10.3, 19.8, 20.7, 22.2])
    original, _ = load_frames(tmp_path / "a.mp4", times)
    copied, seen = load_frames(tmp_path / "copy.webm", times)
    assert seen.all()
    np.testing.assert_allclose(copied.mean(axis=(1, 2, 3)), original.mean(axis=(1, 2, 3)), atol=8)


def test_windows_cover_a_clip_and_name_the_one_of_a_query():
    assert window_starts(10, None) == window_starts(10, 10) == [0]
    assert window_starts(20, 10) == [0, 10]
    found = attention()
    assert [found.window_of(query) for query in range(5)] == [0, 0, 0, 0, 1]
    with pytest.raises(AvkerasError, match="query 5: the clip's frames are 0 to 4"):
        found.window_of(5)


def test_data_cannot_end_their_script_and_a_page_is_whole_or_absent(tmp_path):
    assert "<" not in to_script({HOSTILE: [HOSTILE, "\u2028"]})
    with pytest.raises(TypeError):
        write_page(tmp_path / "a.html", "clip_events", title="a", data={"a": object()})
    (tmp_path / "file").touch()
    with pytest.raises(AvkerasError, match="cannot be written"):
        write_page(tmp_path / "file" / "a.html", "clip_events", title="a", data={})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
