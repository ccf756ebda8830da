"""The errors that avkeras raises for bad input: one clear line that names the file, row or argument."""

from collections.abc import Iterable
from pathlib import Path


class AvkerasError(Exception):
    """Bad input that the user can mend; its text says what and how."""


class MediaError(AvkerasError):
    """A media file that cannot be used.

    Args:
        path: the file.
        reason: one line that says why, and what to do where that is not plain.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class WriteError(AvkerasError):
    """A file that cannot be written because the disk is full or may not be written: no clip's fault.

    Args:
        path: the file.
        error: what the system said.
    """

    def __init__(self, path: str | Path, error: OSError) -> None:
        super().__init__(path, error)  # as they were given: an error goes from process to process by its arguments

    def __str__(self) -> str:
        path, error = self.args
        return f"{path}: cannot be written: {error.strerror or error}"


class ManifestError(AvkerasError):
    """Every defect of a manifest at once, a line each.

    Args:
        defects: lines of the form `file:row: what is wrong`.
    """

    def __init__(self, defects: Iterable[str]) -> None:
        self.defects = tuple(defects)
        super().__init__(self.defects)

    def __str__(self) -> str:
        return "\n".join(self.defects)
