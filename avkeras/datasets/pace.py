"""How fast a source is asked: a pause between clips, and a stop for all when the source asks for one."""

import threading
import time


class Stopped(Exception):
    """The run was ended while a thread waited for its turn."""


class Pace:
    """Keeps threads from asking a source too often; once `stopped` is set, waiting raises `Stopped`.

    Args:
        sleep: least seconds between the starts of two clips, whatever the number of threads.

    Example:
        >>> pace = Pace(sleep=0.01)
        >>> pace.turn()
        >>> pace.hold(0.01)
        >>> pace.wait()
    """

    def __init__(self, *, sleep: float) -> None:
        self.sleep = sleep
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0
        self._held_until = 0.0

    def turn(self) -> None:
        """Waits until the next clip may start."""
        with self._lock:
            start = max(self._next, time.monotonic())
            self._next = start + self.sleep
        self.rest(start - time.monotonic())
        self.wait()

    def hold(self, seconds: float) -> None:
        """Lets nobody ask for some seconds."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)

    def wait(self) -> None:
        """Waits until asking is allowed; call it before every request."""
        self.rest(0)
        while (left := self._held_until - time.monotonic()) > 0:
            self.rest(left)

    def rest(self, seconds: float) -> None:
        """Sleeps, at most until `stopped` is set."""
        if self.stopped.wait(max(0.0, seconds)):
            raise Stopped
