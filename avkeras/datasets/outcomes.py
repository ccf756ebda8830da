"""What a run of `fetch` writes into the ledger: what the source answered about a clip, and nothing that an outage did.

A clip of an outage stays as it was, so the same command tries it again, whenever this run ends or is killed.
"""

from collections import Counter
from dataclasses import replace

from avkeras.datasets.failures import FetchError
from avkeras.datasets.ledger import Entry, Ledger

# Clips one after the other, after which the run ends: for them the source refused us, or could not be reached.
_REFUSALS, _TROUBLES = 3, 10


class Outcomes:
    """Takes what became of clips, one after the other, and says when the run is to end.

    Left as they were are the clips for which the source gave no answer or refused us, and all clips of the errors in a
    row that end the run.

    Args:
        ledger: of the run.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.tried: Counter = Counter()
        self.left = 0
        self.stopped = ""
        self._ledger = ledger
        self._held: list[Entry] = []  # errors that another try may mend, until it is known whether they end the run
        self._refusals = self._troubles = 0
        self._last_outage: FetchError | None = None

    def take(self, entry: Entry, error: FetchError | None) -> None:
        """Takes what became of a clip and the error that its last try ended with.

        Raises:
            WriteError: the ledger cannot be written.
        """
        self._refusals = self._refusals + 1 if error is not None and error.refused else 0
        self._troubles = self._troubles + 1 if error is not None and error.again else 0
        if error is None or not error.again:
            self._write_held()
            self._write(entry)
        elif error.outage or self.stopped:
            self._last_outage = error
            self._leave(entry)
        else:
            self._held.append(entry)
        if (self._refusals >= _REFUSALS or self._troubles >= _TROUBLES) and not self.stopped:
            what = "refuses" if self._refusals >= _REFUSALS else "cannot be reached for"
            self.stopped = f"the source {what} clip after clip ({error.why})"
            while self._held:
                self._leave(self._held.pop())

    def end(self) -> None:
        """Writes what is still held; a run in which the source answered about no clip is one that was stopped.

        Raises:
            WriteError: the ledger cannot be written.
        """
        self._write_held()
        if self._last_outage is not None and not self.tried and not self.stopped:
            what = "refuses" if self._last_outage.refused else "cannot be reached for"
            self.stopped = f"the source {what} every clip ({self._last_outage.why})"

    def _write_held(self) -> None:
        while self._held:
            self._write(self._held.pop(0))

    def _write(self, entry: Entry) -> None:
        self._ledger.write(entry)
        self.tried[entry.state] += 1

    def _leave(self, entry: Entry) -> None:
        """Leaves a clip as it was, but for sound that has come: then nobody has looked for its pictures."""
        self.left += 1
        before = self._ledger.entries.get(entry.id)
        if entry.audio and (before is None or before.audio != entry.audio):
            self._write(replace(entry, video_why=""))
