"""Playlists and references: whatever a file names, no address is asked and no other file is opened."""

import ctypes
import http.server
import os
import struct
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from container_corpus import CONTAINERS, write_container

from avkeras.errors import MediaError
from avkeras.media.audio import load_audio
from avkeras.media.media import open_media, probe
from avkeras.media.video import load_frames

_IN_OPEN = 0x20


@pytest.fixture(scope="module")
def server():
    """A loopback server's address, and the paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}", asked
    running.shutdown()
    running.server_close()


@pytest.fixture
def others(tmp_path):
    """A folder with a sound, and a function that says which files in it were opened since."""
    folder = tmp_path / "others"
    folder.mkdir()
    soundfile.write(folder / "other.wav", np.full(16000, 0.1, np.float32), 16000)
    (folder / "part001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    library = ctypes.CDLL(None, use_errno=True)
    watch = library.inotify_init1(os.O_NONBLOCK)
    assert library.inotify_add_watch(watch, str(folder).encode(), _IN_OPEN) >= 0

    def opened():
        try:
            return os.read(watch, 4096)
        except BlockingIOError:
            return b""

    yield folder, opened
    os.close(watch)


def texts(address, other):
    """Playlists and session descriptions of every kind, by name."""
    url, file = f"{address}/x.ts", other.as_uri()
    hls = (
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXTINF:5,\n{other}\n#EXT-X-ENDLIST\n"
    )
    return {
        "list.m3u8": hls,
        "list.mp4": hls,
        "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"{url}\"\n",
        "key.m3u8": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:5,\n{other}\n',
        "bom.m3u8": "\ufeff" + hls,
        "cat.ffconcat": f"ffconcat version 1.0\nfile '{other}'\nfile '{url}'\n",
        "cat.wav": f"ffconcat version 1.0\nfile {other}\n",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "dash.mpd": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
        f'<Representation><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "smooth.ismc": f'<SmoothStreamingMedia><c n="0"/><!--{url}--></SmoothStreamingMedia>',
        "list.pls": f"[playlist]\nFile1={url}\nFile2={file}\n",
        "list.asx": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
        "list.xspf": f"<playlist><trackList><track><location>{file}</location></track></trackList></playlist>",
        "list.smil": f'<smil><body><video src="{url}"/></body></smil>',
        "list.ram": f"{url}\n",
        "ref.mov": f"RTSPtext\n{url}\n",
        "page.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{file}"/></svg>',
        "meta.ffmeta": f";FFMETADATA1\ntitle={url}\n",
    }  # fmt: skip


def box(kind, payload):
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def with_payload(content, path, payload):
    """An MP4's bytes with the boxes that a path of kinds leads to replaced."""
    found, place = b"", 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        part = content[place : place + size]
        if kind == path[0]:
            part = box(kind, payload if len(path) == 1 else with_payload(part[8:], path[1:], payload))
        found, place = found + part, place + size
    return found


def references(folder, address, other):
    """Media that point elsewhere in their own ways, by name."""
    movie = write_container(folder / "movie.mov", *CONTAINERS["a.mov"]).read_bytes()
    url, file = f"{address}/x.mov".encode() + b"\0", other.as_uri().encode() + b"\0"
    alias = struct.pack(">IHH", 0, 150, 2) + bytes(6) + b"\x06others" + bytes(21) + bytes(8) + b"\x09other.wav"
    alias += bytes(54) + bytes(22) + struct.pack(">HH", 18, len(str(other))) + str(other).encode()
    dref = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
    one = struct.pack(">II", 0, 1)
    rest = b"".join(
        box(b"rmda", box(b"rdrf", struct.pack(">I4sI", 0, b"url ", len(where)) + where)) for where in (url, file)
    )
    hls = f"#EXTM3U\n#EXTINF:5,\n{address}/x.ts\n".encode()
    wav = other.read_bytes()
    return {
        "url dref": with_payload(movie, dref, one + box(b"url ", bytes(4) + url)),
        "file dref": with_payload(movie, dref, one + box(b"url ", bytes(4) + file)),
        "alias dref": with_payload(movie, dref, one + box(b"alis", bytes(4) + alias)),
        "reference movie": box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"rmra", rest)),
        "list behind ftyp": box(b"ftyp", b"isom\0\0\0\0isom") + hls,
        "list behind a matroska mark": b"\x1a\x45\xdf\xa3" + hls,
        "list behind an mpegts mark": b"".join(b"G" + hls[:187].ljust(187) for _ in range(8)),
        "list behind an ID3 tag": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + hls,
        "list behind gif's mark": b"GIF89a" + hls,
        "list in a wav": wav[:44] + hls + wav[44:],
        "list with zeros": hls.replace(b"\n", b"\n\0"),
        "UTF-16": hls.decode().encode("utf-16"),
        "asf redirection": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<QIBB", 30, 0, 1, 2) + hls,
        "ogg skeleton": b"OggS\0\2" + bytes(20) + b"\1\x20fishead\0" + hls,
        "flv with a list": b"FLV\1\5\0\0\0\x09\0\0\0\0\x12" + hls,
    }  # fmt: skip


def read_all_ways(path):
    """Reads a file in every way, and returns the reasons for which it cannot be."""
    reasons = []
    for read in (probe, load_audio, lambda path: load_frames(path, [0.0, 0.5])):
        try:
            read(path)
        except MediaError as error:
            reasons.append(error.reason)
    assert not any("\n" in reason for reason in reasons)
    return reasons


def test_the_watches_see_what_they_are_for(server, others):
    address, asked = server
    folder, opened = others
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{address}/known")
    assert asked.pop() == "/known"
    (folder / "other.wav").read_bytes()
    assert b"other.wav" in opened()
    assert opened() == b""


def test_playlists_and_descriptions_are_text_and_ask_for_nothing(server, others, tmp_path):
    address, asked = server
    folder, opened = others
    for name, text in texts(address, folder / "other.wav").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        reasons = read_all_ways(tmp_path / name)
        assert reasons == ["this is text, not media"] * 3, name
    assert asked == []
    assert opened() == b""


def test_references_inside_media_are_not_followed(server, others, tmp_path):
    address, asked = server
    folder, opened = others
    contents = references(tmp_path, address, folder / "other.wav")
    opened()  # it was read to make them
    for name, content in contents.items():
        (tmp_path / "reference").write_bytes(content)
        reasons = read_all_ways(tmp_path / "reference")
        if name.startswith("list behind") or name in ("reference movie", "UTF-16", "asf redirection"):
            assert len(reasons) >= 2, name  # a movie without tracks can be described
    assert asked == []
    assert opened() == b""


NAMES = (
    "{address}/x.wav", "async:{address}/x.wav", "concat:{other}", "subfile,,start,0,end,0,,:{other}", "file:{other}",
    "crypto:{other}", "cache:{other}", "{folder}/part%03d.png", "data:audio/wav;base64,UklG", "pipe:0", "lavfi:sine",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_and_no_address(server, others, tmp_path, monkeypatch, name):
    address, asked = server
    folder, opened = others
    monkeypatch.chdir(tmp_path)
    name = name.format(address=address, other=folder / "other.wav", folder=folder)
    assert read_all_ways(name) == ["no such file"] * 3
    # Nor where a file of that name is there.
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(Path(name), np.full(8000, 0.1, np.float32), 16000, format="WAV")
    opened()
    assert len(load_audio(name)) == 8000
    assert asked == []
    assert b"other.wav" not in opened()


def test_a_demuxer_that_would_open_something_is_refused(server, others, tmp_path, monkeypatch):
    """Were a playlist's demuxer chosen all the same, it would get nothing."""
    address, asked = server
    folder, opened = others
    for name, kind in (("list.m3u8", "hls"), ("cat.ffconcat", "concat")):
        path = tmp_path / name
        path.write_text(texts(address, folder / "other.wav")[name])
        monkeypatch.setattr("avkeras.media.media.sniff_open", lambda path, file: "playlist")
        monkeypatch.setattr("avkeras.media.media.demuxer", lambda _, kind=kind: kind)
        with pytest.raises((MediaError, PermissionError)), open_media(path) as container:
            list(container.demux())
    assert asked == []
    assert opened() == b""
