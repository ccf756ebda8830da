import email.utils
import io
import time
from types import SimpleNamespace

import pytest
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
from yt_dlp.utils import DownloadError, ExtractorError

from avkeras.datasets.failures import explain
from avkeras.errors import MediaError


def http_error(status, headers=None):
    response = SimpleNamespace(status=status, reason="Reason", headers=headers or {}, close=io.BytesIO().close)
    return HTTPError(response)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("[youtube] a: Private video. Sign in if you've been granted access to this video", "private"),
        ("[youtube] a: Video unavailable. This video is private", "private"),
        ("[youtube] a: Video unavailable", "gone"),
        ("[youtube] a: Video unavailable. This video has been removed by the uploader", "gone"),
        ("[youtube] a: This video is no longer available because the YouTube account has been terminated", "gone"),
        ("[youtube] a: Video unavailable. The uploader has not made this video available in your country", "blocked"),
        ("[youtube] a: Sign in to confirm your age. This video may be inappropriate for some users.", "blocked"),
        ("[youtube] a: Join this channel to get access to members-only content", "blocked"),
        (
            "[youtube] a: Video unavailable. It has content from B, who blocked it on copyright grounds",
            "blocked",
        ),
        ("[youtube] a: Premieres in 3 days", "failed"),
    ],
)
def test_reasons_of_youtube(text, state):
    found = explain(DownloadError(f"ERROR: {text}"))
    assert (found.state, found.again) == (state, False)
    assert found.why == text.removeprefix("[youtube] a: ")


@pytest.mark.parametrize(
    "text", ["Sign in to confirm you’re not a bot.", "This content isn't available, try again later."]
)
def test_refusals_are_about_us(text):
    found = explain(DownloadError(f"ERROR: [youtube] abc: {text}"))
    assert (found.state, found.again, found.refused) == ("blocked", True, True)


@pytest.mark.parametrize(
    ("status", "state", "again"),
    [
        (404, "gone", False),
        (410, "gone", False),
        (403, "blocked", False),
        (451, "blocked", False),
        (429, "blocked", True),
        (503, "failed", True),
        (400, "failed", False),
    ],
)
def test_statuses(status, state, again):
    """However deep yt-dlp has wrapped them."""
    cause = http_error(status)
    wrapped = ExtractorError("Unable to download webpage", cause=cause)
    for error in (cause, wrapped, DownloadError("ERROR: x", (type(wrapped), wrapped, None))):
        found = explain(error)
        assert (found.state, found.again, found.refused) == (state, again, status == 429)
        assert found.why == f"HTTP {status} Reason"


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), (None, None), ("soon", None)])
def test_retry_after(text, seconds):
    assert explain(http_error(429, {"Retry-After": text})).wait == seconds


def test_retry_after_as_a_date():
    date = email.utils.formatdate(time.time() + 90, usegmt=True)
    assert 85 < explain(http_error(429, {"Retry-After": date})).wait <= 90


def test_networks_and_media():
    assert explain(IncompleteRead(3, 4)).why == "the answer was cut short"
    assert explain(TransportError("Read timed out.")).why == "timed out"
    assert explain(TransportError("refused")).again
    found = explain(MediaError("a.flac", "the source ends at 2.0 s"))
    assert (found.state, found.why, found.again) == ("failed", "the source ends at 2.0 s", False)
    assert explain(RuntimeError()).why == "RuntimeError"
    assert len(explain(RuntimeError("long\nmany\nlines " * 100)).why) <= 200
