"""Fetches one clip: tries, pauses between them, and what is kept when only its sound can be had."""

import logging
from dataclasses import replace
from pathlib import Path

from avkeras.datasets.failures import FetchError, explain
from avkeras.datasets.fetch_folder import present
from avkeras.datasets.ledger import Entry
from avkeras.datasets.pace import Pace, Stopped
from avkeras.datasets.segment import cut_audio, cut_video
from avkeras.datasets.task_lists import SourceClip
from avkeras.datasets.video_source import VideoSource
from avkeras.errors import WriteError
from avkeras.runs.files import file_name

_LONGEST_WAIT = 600.0  # a source that asks for more is left alone for this run
_log = logging.getLogger(__name__)


def fetch_clip(
    clip: SourceClip, before: Entry | None, folder: Path, videos: VideoSource, pace: Pace, tries: int
) -> tuple[Entry | None, FetchError | None]:
    """Brings the sound and the pictures of one clip into the folder; what is there already stays.

    Args:
        clip: which.
        before: its entry so far.
        folder: where to.
        videos: its source.
        pace: how fast that is asked.
        tries: how often.

    Returns:
        What became of it, None: the run was stopped before; and the error that the last try ended with.

    Raises:
        WriteError: a file cannot be written.
    """
    audio, video = present(folder, before)
    entry = Entry(clip.id, "done", audio=before.audio if audio else "", video=before.video if video else "")
    wait = 0.0
    for attempt in range(tries):
        try:
            pace.rest(wait)
            pace.turn()
            entry = _take(clip, entry, folder, videos)
            return entry, None
        except Stopped:
            return None, None
        except _Partly as partly:
            entry, error = partly.entry, partly.error
        except FetchError as failure:
            error = failure
        except WriteError:  # no clip's fault
            raise
        except Exception as unexpected:  # a surprise on one clip must not stop the others
            _log.debug("clip %s", clip.id, exc_info=True)
            error = explain(unexpected)
        wait = max(pace.sleep, 1.0) * 2**attempt if error.wait is None else error.wait
        if not error.again or attempt == tries - 1 or wait > _LONGEST_WAIT:
            break
        if error.refused:
            pace.hold(wait)  # it is us whom the source refuses: all wait
            wait = 0.0
    if entry.audio:
        return replace(entry, video_why=error.why), error
    return Entry(clip.id, error.state, why=error.why), error


class _Partly(Exception):
    """The sound is there, the pictures are not."""

    def __init__(self, entry: Entry, error: FetchError) -> None:
        super().__init__(error.why)
        self.entry, self.error = entry, error


def _take(clip: SourceClip, entry: Entry, folder: Path, videos: VideoSource) -> Entry:
    """Cuts what a clip lacks out of its source; what is there already stays."""
    media = videos.find(clip.video)
    try:
        if not entry.audio:
            name = f"audio/{file_name(clip.id)}.flac"
            if not cut_audio(media.audio, folder / name, start=clip.start, end=clip.end):
                raise FetchError("failed", "the source has no sound")
            entry = replace(entry, audio=name)
        if entry.video:
            return entry
        try:
            name = f"video/{file_name(clip.id)}.mp4"
            found = media.video is not None and cut_video(media.video, folder / name, start=clip.start, end=clip.end)
        except (Stopped, WriteError):
            raise
        except Exception as error:
            raise _Partly(entry, explain(error)) from error
        return replace(entry, video=name) if found else replace(entry, video_why="the source has no pictures")
    finally:
        media.close()
