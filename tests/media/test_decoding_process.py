"""The process that decodes: the same bits, and an end to a file that hangs, crashes or swallows memory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_corpus import bursts, write_clip

from avkeras.errors import MediaError
from avkeras.media.decoding_process import DecoderUnavailable, DecodingProcess, ThisProcess


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_clip(
        tmp_path_factory.mktemp("film") / "film.mp4",
        frame_times=np.arange(240) / 8,
        sound=bursts(30.0, 44100, channels=2),
        video_codec="mpeg4",
    )


@pytest.fixture(scope="module")
def decoder():
    """One whose process was at work before."""
    with DecodingProcess(patience=2.0) as decoder:
        yield decoder


def child(decoder):
    return decoder._process.pid


def test_it_gives_the_bits_notes_and_errors_of_this_process(film, decoder, tmp_path, caplog):
    here, there = [], []
    for mine, its in zip(ThisProcess().iter_audio(film), decoder.iter_audio(film), strict=True):
        np.testing.assert_array_equal(mine, its)
    times = np.arange(40) / 2
    options = {"size": (8, 12), "short_side": None}
    frames = ThisProcess().iter_frames(film, times, **options), decoder.iter_frames(film, times, **options)
    for (mine, shown), (its, seen) in zip(*frames, strict=True):
        np.testing.assert_array_equal(mine, its)
        np.testing.assert_array_equal(shown, seen)
    left = np.tile(bursts(1.0, 16000)[0], 2)
    soundfile.write(tmp_path / "cancels.wav", np.stack([left, -left], 1), 16000)
    list(ThisProcess().iter_audio(tmp_path / "cancels.wav", notes=here))
    list(decoder.iter_audio(tmp_path / "cancels.wav", notes=there))
    assert here == there
    assert len(there) == 1
    for error, path in ((MediaError, tmp_path / "none.wav"), (ValueError, film)):
        with pytest.raises(error) as raised:
            list(decoder.iter_audio(path, start=-1.0 if error is ValueError else 0.0))
        with pytest.raises(error) as expected:
            list(ThisProcess().iter_audio(path, start=-1.0 if error is ValueError else 0.0))
        assert str(raised.value) == str(expected.value)


def test_a_file_of_which_nothing_comes_is_given_up_and_the_next_is_read(film, decoder):
    blocks = decoder.iter_audio(film, block_seconds=0.1)  # more than the connection holds
    next(blocks)
    stopped = child(decoder)
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(MediaError, match="nothing came of decoding it for 2 s: given up") as caught:
        list(blocks)
    assert caught.value.path == film
    assert not Path("/proc", str(stopped)).exists()
    assert sum(map(len, decoder.iter_audio(film))) > 470_000
    assert child(decoder) != stopped


@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGKILL])
def test_a_file_that_ends_the_process_is_named_and_the_next_is_read(film, decoder, by):
    blocks = decoder.iter_audio(film, block_seconds=0.1)
    next(blocks)
    os.kill(child(decoder), by)
    with pytest.raises(MediaError, match=f"ended the decoding process .signal {by.name}.") as caught:
        list(blocks)
    assert caught.value.path == film
    assert "\n" not in str(caught.value)
    assert sum(map(len, decoder.iter_audio(film))) > 470_000


def test_a_process_that_ended_between_two_files_costs_none(film, decoder):
    list(decoder.iter_audio(film))
    before = child(decoder)
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert sum(map(len, decoder.iter_audio(film))) > 470_000
    assert child(decoder) != before


def test_memory_is_bounded(tmp_path):
    """A picture of 8000 x 8000 takes 96 MB as it is stored, and the process may have little more than at its start."""
    path = tmp_path / "large.mp4"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mjpeg", rate=1)
        video.width, video.height, video.pix_fmt = 8000, 8000, "yuvj420p"
        output.mux(video.encode(av.VideoFrame(8000, 8000, "yuvj420p")))
        output.mux(video.encode(None))
    options = {"size": (8, 8), "short_side": None}
    with DecodingProcess() as decoder:
        ((frames, seen),) = decoder.iter_frames(path, [0.0], **options)
        assert seen.all()
        begins = int(Path("/proc", str(child(decoder)), "statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    with DecodingProcess(memory=begins + (20 << 20)) as decoder:
        with pytest.raises(MediaError) as caught:
            list(decoder.iter_frames(path, [0.0], **options))
        assert "\n" not in str(caught.value)
        assert frames.shape == (1, 8, 8, 3)


def test_what_was_left_in_the_middle_is_not_taken_for_the_next(film, decoder):
    blocks = decoder.iter_audio(film, block_seconds=0.5)
    next(blocks)
    blocks.close()
    assert [len(block) for block in decoder.iter_audio(film, block_seconds=2.0, duration=3.0)] == [32000, 16000]


def test_it_ends_with_the_process_that_asks(film):
    program = (
        "import sys\nfrom avkeras.media.decoding_process import DecodingProcess\ndecoder = DecodingProcess()\n"
        "blocks = decoder.iter_audio(sys.argv[1], block_seconds=0.01)\nnext(blocks)\n"
        "print(decoder._process.pid, flush=True)\nsys.stdin.read()"
    )
    asks = subprocess.Popen(
        [sys.executable, "-c", program, str(film)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid = int(asks.stdout.readline())
    asks.kill()
    asks.communicate()
    deadline = time.monotonic() + 60
    while Path("/proc", str(pid)).exists() and "Z" not in Path("/proc", str(pid), "stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.05)


def test_no_process_is_no_fault_of_the_file(film, monkeypatch, capfd):
    for program in ("/bin/false", "/nowhere/python"):
        monkeypatch.setattr(sys, "executable", program)
        with DecodingProcess() as decoder, pytest.raises(DecoderUnavailable, match=program) as caught:
            list(decoder.iter_audio(film))
        assert "\n" not in str(caught.value)


def test_a_process_that_stops_in_the_midst_of_a_message_is_given_up(film, monkeypatch):
    stuck = (
        "import os, time; from multiprocessing.connection import Connection; here = Connection({fd}); "
        "here.send('ready'); here.recv(); os.write({fd}, (1000).to_bytes(4, 'big') + b'some'); time.sleep(60)"
    )
    monkeypatch.setattr("avkeras.media.decoding_process._PROGRAM", stuck)
    with (
        DecodingProcess(patience=0.5) as decoder,
        pytest.raises(MediaError, match=r"nothing came of decoding it for 0\.5 s: given up"),
    ):
        list(decoder.iter_audio(film))
