"""Why a clip cannot be had: errors of yt-dlp, HTTP and networks as a state and one line."""

import email.utils
import re
import time

from avkeras.errors import AvkerasError, MediaError

# Words of YouTube's reasons, in the order in which they are looked for. "Video unavailable" stands before many others.
_REASONS = (
    ("refused", r"not a bot|try again later|rate.?limited|too many requests"),
    ("private", r"\bprivate\b"),
    ("blocked", r"your country|your location|geo.?restrict|confirm your age|age.restricted|inappropriate|members"),
    ("blocked", r"requires payment|sign in|log ?in|copyright grounds"),
    ("gone", r"unavailable|not available|no longer available|removed|terminated|deleted|does not exist|closed their"),
)
_LONGEST_LINE = 200


class FetchError(AvkerasError):
    """A clip, or its video, that cannot be had.

    Args:
        state: of the ledger: `"gone"`, `"private"`, `"blocked"` or `"failed"`.
        why: one line.
        again: whether another try may help.
        refused: whether the source refuses us rather than this clip.
        wait: seconds that the source asks to wait.

    `unanswered` is set where the source gave no answer at all.
    """

    def __init__(
        self, state: str, why: str, *, again: bool = False, refused: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(why)
        self.state, self.why, self.again, self.refused, self.wait = state, why, again, refused, wait
        self.unanswered = False

    @property
    def outage(self) -> bool:
        """Whether it says nothing about the clip: the source gave no answer, or refuses us."""
        return self.unanswered or self.refused


def explain(error: BaseException) -> FetchError:
    """Says what an error of yt-dlp, of the network or of reading media means for a clip.

    Example:
        >>> explain(RuntimeError("ERROR: [youtube] abc: Private video. Sign in if you have access")).state
        'private'
    """
    from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError

    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, FetchError):
            return cause
        if isinstance(cause, MediaError):
            return FetchError("failed", cause.reason)
        if isinstance(cause, HTTPError):
            return _explain_status(cause)
    for cause in chain:
        if isinstance(cause, IncompleteRead):
            return FetchError("failed", "the answer was cut short", again=True)
        if isinstance(cause, TransportError | TimeoutError | ConnectionError):
            late = isinstance(cause, TimeoutError) or "timed out" in str(cause).lower()
            text = "timed out" if late else f"connection failed ({_line(cause)})"
            return FetchError("failed", text, again=True)
    text = _line(error)
    for state, words in _REASONS:
        if re.search(words, text, flags=re.IGNORECASE):
            refused = state == "refused"
            return FetchError("blocked" if refused else state, text, again=refused, refused=refused)
    return FetchError("failed", text)


def _chain(error: BaseException | None):
    """An error and those that led to it; yt-dlp keeps some in attributes of its own."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        error = waiting.pop(0)
        if not isinstance(error, BaseException) or error in seen:
            continue
        seen.append(error)
        yield error
        exc_info = getattr(error, "exc_info", None) or (None, None)
        waiting += [exc_info[1], getattr(error, "cause", None), error.__cause__]


def _explain_status(error) -> FetchError:
    why = f"HTTP {error.status} {error.reason}".strip()
    if error.status in (404, 410):
        return FetchError("gone", why)
    if error.status == 429:
        wait = _retry_after(error.response.headers.get("Retry-After"))
        return FetchError("blocked", why, again=True, refused=True, wait=wait)
    if error.status in (401, 402, 403, 451):
        return FetchError("blocked", why)
    return FetchError("failed", why, again=error.status in (408, 425) or error.status >= 500)


def _retry_after(text: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number or a date."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _line(error: BaseException) -> str:
    """The first line of an error without yt-dlp's marks."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    text = re.sub(r"^ERROR:\s*|^\[[\w:]+\]\s*(\S+:\s)?", "", lines[0]) if lines else ""
    text = re.sub(r"^\[[\w:]+\]\s*\S+:\s", "", text)
    return (text or type(error).__name__)[:_LONGEST_LINE]
