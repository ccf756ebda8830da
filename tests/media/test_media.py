import av
import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_bad_files, write_clip

from avkeras.errors import MediaError
from avkeras.media.containers import id3_length, sniff
from avkeras.media.media import probe


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return write_bad_files(tmp_path_factory.mktemp("bad"))


BAD = [
    "empty.mp4", "text.mp4", "zeros.wav", "noise.flac", "noise.mp4", "noise.webm", "cut.mp4", "missing.wav", "a folder",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gives_one_line_that_names_it(bad, name):
    path, reason = bad[name]
    with pytest.raises(MediaError, match=reason) as caught:
        probe(path)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "kind"),
    [("a.wav", "wav"), ("a.flac", "flac"), ("a.mp3", "mp3"), ("a.ogg", "ogg")],
)
def test_the_bytes_decide_and_not_the_extension(tmp_path, written, kind):
    soundfile.write(tmp_path / written, bursts(0.5, 16000)[0], 16000)
    liar = (tmp_path / written).rename(tmp_path / "liar.mp4")
    assert sniff(liar) == kind
    info = probe(liar)
    assert (info.container, info.has_audio, info.has_video, info.sample_rate) == (kind, True, False, 16000)


def test_an_id3_tag_hides_neither_mp3_nor_flac(tmp_path):
    tag = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)
    assert id3_length(tag) == len(tag)
    soundfile.write(tmp_path / "a.flac", bursts(0.5, 16000)[0], 16000)
    soundfile.write(tmp_path / "a.mp3", bursts(0.5, 16000)[0], 16000)
    for kind in ("flac", "mp3"):
        path = tmp_path / f"tagged_{kind}"
        path.write_bytes(tag + (tmp_path / f"a.{kind}").read_bytes())
        assert sniff(path) == kind


@pytest.mark.parametrize(("turn", "size", "rotation"), [(0, (48, 64), 0), (90, (64, 48), 90), (-90, (64, 48), 270)])
def test_probe_tells_the_upright_size(tmp_path, turn, size, rotation):
    path = write_clip(
        tmp_path / "a.mp4", frame_times=[0, 0.1, 0.2], sound=bursts(0.3, 44100), rotation=turn, rate=44100
    )
    info = probe(path)
    assert (info.container, info.has_audio, info.has_video) == ("mp4", True, True)
    assert (info.video_size, info.rotation, info.sample_rate) == (size, rotation, 44100)
    assert info.duration == pytest.approx(0.3, abs=0.1)


def test_tracks_without_packets_do_not_count(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        output.add_stream("mpeg4", rate=10)
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    info = probe(path)
    assert info.has_audio
    assert not info.has_video
    assert info.video_size is None


def test_a_colon_in_the_name_is_not_a_protocol(tmp_path):
    path = tmp_path / "http:clip.wav"
    soundfile.write(path, bursts(0.5, 16000)[0], 16000, format="WAV")
    assert probe(path).has_audio
