"""What an embedder that takes pictures of any size gets to see, and what it costs; frames as many as the sound's."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.features.clip_reading import read_clip, read_pictures
from avkeras.features.embedders import Embedder, EmbedderSpec
from avkeras.features.extract import embed_clip, store_folders
from avkeras.features.extract_detection import LogMelReader, detection_stores
from avkeras.features.pictures import iter_pictures
from avkeras.media.decoding_process import ThisProcess

RATE = 16_000


def visual(size=None, shapes=None):
    """The mean colour of pictures; notes the shapes of its batches."""

    def mean(pictures):
        if shapes is not None:
            shapes.append(pictures.shape)
        return np.asarray(pictures).mean(axis=(1, 2))

    return Embedder(EmbedderSpec("any_size", "video", 3, size=size), mean, fingerprint="mean")


def padded(hop):
    """A sound embedder that, like YAMNet, pads the end to a whole hop: one row more than whole windows."""

    def rows(waveform):
        count = 1 + max(0, -(-(len(waveform) - 15_600) // round(hop * RATE)))
        return np.ones((count, 2), np.float32)

    spec = EmbedderSpec("padded", "audio", 2, window=0.96, hop=hop, least_samples=15_600)
    return Embedder(spec, rows, fingerprint="padded")


@pytest.fixture(scope="module")
def film_4k(tmp_path_factory):
    """Nine grey pictures of 4K in 10 s."""
    return write_clip(
        tmp_path_factory.mktemp("film") / "4k.mp4",
        frame_times=np.arange(9) * 1.25,
        pictures=[np.full((2160, 3840, 3), 100, np.uint8)] * 9,
        size=(2160, 3840),
        sound=bursts(10.0, 44100),
        video_options={"preset": "ultrafast"},
    )


def test_64_pictures_of_4k_stay_within_bounds(film_4k):
    shapes = []
    reader = LogMelReader({"any": visual(shapes=shapes)}, visual_frames=64)
    read_clip(reader, film_4k, film_4k)  # what is loaded on first use does not count
    shapes.clear()
    tracemalloc.start()
    rows = read_clip(reader, film_4k, film_4k).visual["any"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.shape == (64, 3)
    np.testing.assert_allclose(rows, 100 / 255, atol=0.02)
    assert shapes == [(16, 256, 455, 3)] * 4
    assert peak < 100e6  # 6 MB of pictures and 22 MB of them as floats, some of it twice; 8 GB at their own size


def test_a_ribbon_of_pixels_is_no_ribbon_for_the_embedder(tmp_path):
    path = write_clip(
        tmp_path / "ribbon.mp4",
        frame_times=[0.0, 0.1],
        pictures=[np.full((1, 5000, 3), 100, np.uint8)] * 2,
        size=(1, 5000),
        pixel_format="yuv444p",
    )
    ((pictures, seen),) = iter_pictures(path, [0.0, 0.1], visual().spec, decoder=ThisProcess())
    assert pictures.shape == (2, 1, 4, 3)
    assert seen.all()


def test_only_seen_pictures_are_embedded():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 5, 3), dtype=np.uint8)
    seen = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    embedded = []

    class Given:
        def iter_frames(self, path, times, **options):
            yield from zip(pictures, seen, strict=True)

    found = read_pictures("film", np.arange(12), {"any": visual()}, lambda _, some: embedded.append(some), Given())
    assert [len(some) for some in embedded] == [3, 4]
    np.testing.assert_array_equal(np.concatenate(embedded), pictures[seen])
    assert found.seen.tolist() == seen.ravel().tolist()
    assert found.notes == ["video missing in 5 of 12 frames"]


def test_the_bound_is_part_of_the_store_of_an_embedder_that_takes_any_size(tmp_path):
    audio = padded(0.96)
    for embedder, said in ((visual(), 256), (visual(size=(8, 8)), None)):
        stores = store_folders(tmp_path, audio_embedder=audio, video_embedder=embedder)
        assert stores["video"][1].get("short_side") == said
        assert "short_side" not in stores["audio"][1]
        assert detection_stores(tmp_path, embedders={"v": embedder})["v"][1].get("short_side") == said


@pytest.mark.parametrize(("hop", "frames"), [(0.48, 20), (0.96, 11)])
def test_there_are_as_many_pictures_as_the_sound_has_rows(tmp_path, hop, frames):
    film = write_clip(tmp_path / "film.mp4", frame_times=np.arange(100) / 10, video_codec="mpeg4")
    soundfile.write(tmp_path / "sound.wav", bursts(10.0, RATE)[0], RATE)
    clip = embed_clip(tmp_path / "sound.wav", film, audio_embedder=padded(hop), video_embedder=visual(size=(8, 8)))
    assert len(clip.audio) == len(clip.video) == len(clip.seen) == len(clip.times) == frames
    np.testing.assert_allclose(clip.times, 0.48 + hop * np.arange(frames))
    # The film ends at 10 s; a frame whose centre lies beyond has nothing to show.
    assert clip.seen.tolist() == (clip.times < 10.2).tolist()


def test_embedders_of_two_sizes_see_the_same_times(tmp_path):
    film = write_clip(
        tmp_path / "film.mp4", frame_times=np.arange(20) / 10, sound=bursts(2.0, 44100), video_codec="mpeg4"
    )
    shapes = {"any": [], "small": []}
    embedders = {"any": visual(shapes=shapes["any"]), "small": visual(size=(8, 8), shapes=shapes["small"])}
    clip = read_clip(LogMelReader(embedders, visual_frames=16), film, film)
    assert {shape[1:] for shape in shapes["any"]} == {(48, 64, 3)}
    assert {shape[1:] for shape in shapes["small"]} == {(8, 8, 3)}
    np.testing.assert_allclose(clip.visual["any"], clip.visual["small"], atol=0.05)
    assert len(clip.seen) == len(clip.times) == len(clip.visual["any"])
