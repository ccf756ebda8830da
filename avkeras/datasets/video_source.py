"""Where clips come from: yt-dlp finds the media of a video, as a library."""

import logging
import re
import threading
from dataclasses import dataclass

from avkeras.datasets.failures import FetchError, explain
from avkeras.datasets.pace import Pace
from avkeras.datasets.remote_media import RemoteFile
from avkeras.errors import AvkerasError

YOUTUBE = "https://www.youtube.com/watch?v={id}"
_HEIGHT = 360
_log = logging.getLogger(__name__)


@dataclass
class RemoteMedia:
    """The sound and the pictures of one video, at their addresses; one file where they are together.

    Args:
        audio: what holds the sound.
        video: what holds the pictures; None: the source says that there are none.
    """

    audio: RemoteFile
    video: RemoteFile | None

    def close(self) -> None:
        """Frees both."""
        for file in {self.audio, self.video} - {None}:
            file.close()


class _Silent:
    """What yt-dlp has to say beside the errors that it raises; a log for debugging only."""

    def debug(self, text: str) -> None:
        _log.debug("%s", text)

    info = warning = error = debug


class VideoSource:
    """Asks a site for videos; `with` closes its connections at the end.

    Args:
        template: address with `{id}` for the video's id; a page that yt-dlp knows, or media files themselves.
        timeout: seconds without an answer after which a request fails; a file may take 20 times as long.
        pace: what all requests wait for.

    Raises:
        AvkerasError: the template is none, or yt-dlp is not installed.
    """

    def __init__(self, template: str, *, timeout: float, pace: Pace) -> None:
        if not re.match(r"https?://", template) or "{id}" not in template:
            raise AvkerasError(f"source: '{template}' must begin with http:// or https:// and hold {{id}}")
        try:
            import yt_dlp  # noqa: F401
        except ImportError:
            raise AvkerasError("fetching needs yt-dlp: pip install 'avkeras[fetch]'") from None
        self.template, self.timeout, self.pace = template, timeout, pace
        self._threads = threading.local()
        self._downloaders: list = []

    def __enter__(self) -> "VideoSource":
        return self

    def __exit__(self, *exception) -> None:
        for downloader in self._downloaders:
            downloader.close()

    def find(self, video: str) -> RemoteMedia:
        """Finds the media of a video: its best sound, and its best pictures of at most 360 lines.

        Raises:
            FetchError: it is gone, private, blocked, or cannot be had for another reason.
        """
        self.pace.wait()
        downloader, answers = self._downloader()
        try:
            info = downloader.extract_info(self.template.replace("{id}", video), download=False)
        except Exception as error:
            failure = explain(error)
            failure.unanswered = failure.again and not answers
            raise failure from error
        finally:
            while answers:
                answers.pop().close()
        formats = [item for item in (info or {}).get("formats") or () if item.get("protocol") in ("http", "https")]
        audio, video_format = choose_formats(formats)
        if audio is None:
            raise FetchError("failed", "has no sound that can be had by HTTP")
        files = {item["url"]: self._file(item) for item in (audio, video_format) if item is not None}
        return RemoteMedia(files[audio["url"]], video_format and files[video_format["url"]])

    def _downloader(self):
        """yt-dlp keeps connections and is not made for threads: one for each; and the answers it has left open."""
        import yt_dlp
        from yt_dlp.networking.exceptions import HTTPError

        if not hasattr(self._threads, "downloader"):
            options = {
                "format": "all",
                "quiet": True,
                "noplaylist": True,
                "socket_timeout": self.timeout,
                "logger": _Silent(),
                "noprogress": True,
            }
            downloader, answers = yt_dlp.YoutubeDL(options), []
            send = downloader.urlopen

            def urlopen(request):
                try:
                    answers.append(send(request))
                except HTTPError as error:
                    answers.append(error.response)
                    raise
                return answers[-1]

            downloader.urlopen = urlopen
            self._downloaders.append(downloader)
            self._threads.downloader = downloader, answers
        return self._threads.downloader

    def _file(self, item: dict) -> RemoteFile:
        from yt_dlp.networking import Request

        downloader, _ = self._downloader()

        def request(headers):
            self.pace.wait()
            return downloader.urlopen(Request(item["url"], headers={**(item.get("http_headers") or {}), **headers}))

        return RemoteFile(request, deadline=20 * self.timeout)


def choose_formats(formats: list[dict]) -> tuple[dict | None, dict | None]:
    """Returns the formats to take sound and pictures from; yt-dlp's list has the best last.

    Sound alone is preferred for the sound; for the pictures what has at most 360 lines, else the fewest.

    Example:
        >>> sound = {"url": "a", "vcodec": "none", "acodec": "opus"}
        >>> small = {"url": "b", "vcodec": "vp9", "acodec": "none", "height": 240}
        >>> large = {"url": "c", "vcodec": "vp9", "acodec": "none", "height": 1080}
        >>> [item["url"] for item in choose_formats([sound, small, large])]
        ['a', 'b']
    """
    pictures = [item for item in formats if item.get("vcodec") != "none"]
    small = [item for item in pictures if (item.get("height") or 0) <= _HEIGHT]
    video = small[-1] if small else min(pictures, key=lambda item: item["height"], default=None)
    sound = [item for item in formats if item.get("acodec") != "none"]
    alone = [item for item in sound if item.get("vcodec") == "none"]
    together = [item for item in sound if item is video]
    audio = (alone or together or sound or [None])[-1]
    return audio, video
