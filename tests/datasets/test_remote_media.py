"""Reading over HTTP: only the pieces that are asked for, each once, and every way to be cut short."""

import io

import numpy as np
import pytest
import yt_dlp
from media_corpus import bursts, write_clip
from media_server import MediaServer
from yt_dlp.networking import Request

from avkeras.datasets.failures import FetchError
from avkeras.datasets.remote_media import RemoteFile
from avkeras.datasets.segment import cut_audio, cut_video

CONTENT = np.random.default_rng(0).bytes(1_500_000)


@pytest.fixture(scope="module")
def downloader():
    return yt_dlp.YoutubeDL({"quiet": True, "socket_timeout": 2})


@pytest.fixture
def opened(downloader):
    def open_file(server, name="a", deadline=20.0):
        url = server.template.replace("{id}", name)
        return RemoteFile(lambda headers: downloader.urlopen(Request(url, headers=headers)), deadline=deadline)

    return open_file


def read(file, begin, amount):
    file.seek(begin)
    found = b""
    while len(found) < amount and (piece := file.read(amount - len(found))):
        found += piece
    return found


def test_pieces_are_fetched_once(opened):
    with MediaServer({"a": CONTENT}) as server:
        file = opened(server)
        assert read(file, 700_000, 1000) == CONTENT[700_000:701_000]
        assert read(file, 700_500, 100) == CONTENT[700_500:700_600]
        assert file.seek(-10, 2) == len(CONTENT) - 10
        assert read(file, len(CONTENT) - 10, 100) == CONTENT[-10:]
        assert file.read(10) == b""
        assert server.sent < 900_000
        ranges = [request[2] for request in server.requests]
        assert len(set(ranges)) == len(ranges) == 3
        file.close()


def test_servers_without_ranges(opened):
    with MediaServer({"a": CONTENT}, {"a": "no ranges"}) as server:
        file = opened(server)
        assert read(file, 700_000, 300_000) == CONTENT[700_000:1_000_000]
        assert read(file, 0, 10) == CONTENT[:10]
        assert len(server.requests) == 1
        file.close()


def test_empty_files(opened):
    with MediaServer({"a": b""}, {"a": "no ranges"}) as server:
        file = opened(server)
        assert file.read(10) == b""
        file.close()


def test_answers_cut_short(opened):
    with MediaServer({"a": CONTENT}, {"a": "cut"}) as server:
        file = opened(server)
        with pytest.raises(Exception, match=r"more expected|cut short"):
            file.read(10)
        assert file.error is not None


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([(0, 999, 1_500_000)], "a shorter part of the file than was asked for"),
        ([(0, 262_143, 1_500_000), (262_144, 524_287, 600_000)], "the file changed while it was read"),
        ([(5, 262_143, 1_500_000)], "another part of the file than was asked for"),
    ],
)
def test_a_part_that_is_not_the_one_asked_for_is_no_end(places, reason):
    class Answer(io.BytesIO):
        status = 206

        def __init__(self, first, last, size):
            super().__init__(CONTENT[first : last + 1])
            self.headers = {"Content-Range": f"bytes {first}-{last}/{size}"}

    answers = iter(places)
    file = RemoteFile(lambda headers: Answer(*next(answers)), deadline=20.0)
    with pytest.raises(FetchError, match=reason):
        read(file, 0, len(CONTENT))


def test_slow_sources(opened):
    with MediaServer({"a": CONTENT}) as server, pytest.raises(FetchError, match="too slow"):
        opened(server, deadline=0.0).read(10)


def test_sources_that_trickle(opened):
    with MediaServer({"a": CONTENT}, {"a": "trickle"}) as server, pytest.raises(FetchError, match="too slow"):
        opened(server, deadline=0.3).read(10)


@pytest.fixture(scope="module", params=["+faststart", "+dash+global_sidx+frag_keyframe"])
def long_film(tmp_path_factory, request):
    """A minute of noise, megabytes: sound and pictures with one index before all, or pictures alone in fragments."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (60, 144, 192, 3), np.uint8)
    sound = rng.uniform(-0.5, 0.5, (1, 60 * 44100)).astype(np.float32) + bursts(60.0, 44100, at=(40.0,))
    path = write_clip(
        tmp_path_factory.mktemp("film") / "film.mp4",
        frame_times=np.arange(60.0),
        pictures=pictures,
        size=(144, 192),
        sound=sound if request.param == "+faststart" else None,
        video_options={"g": "5", "crf": "1", "preset": "ultrafast"},
        container_options={"movflags": request.param},
    )
    return path.read_bytes()


def test_only_the_segment_is_downloaded(opened, long_film, tmp_path):
    with MediaServer({"a": long_film}) as server:
        file = opened(server)
        cut_audio(file, tmp_path / "a.flac", start=40, end=45)
        assert cut_video(file, tmp_path / "v.mp4", start=40, end=45)
        assert server.sent < 0.5 * len(long_film)


def test_a_connection_that_breaks_midway_is_no_end(opened, long_film, tmp_path):
    with MediaServer({"a": long_film}) as server:
        file = opened(server)
        file.read(1)
        server.behaviours["a"] = "cut"
        with pytest.raises(Exception, match=r"more expected|cut short"):
            cut_video(file, tmp_path / "v.mp4", start=40, end=45)
        assert not (tmp_path / "v.mp4").exists()
