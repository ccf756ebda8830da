"""Find the files of published weights and check that they are the published ones."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from avkeras.errors import AvkerasError


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """A file of published weights.

    Args:
        name: of the file.
        what: whose weights they are, for messages.
        digest: hexadecimal checksum of the file.
        algorithm: "md5", "sha256", or "git blob": the SHA-1 by which git names a file's content.
        url: where it is published, if it can be had there.
        megabytes: its size.
    """

    name: str
    what: str
    digest: str
    algorithm: str
    url: str | None = None
    megabytes: int = 0

    def __str__(self) -> str:
        size = f"{self.megabytes} MB, " if self.megabytes else ""
        return f"{self.name} ({size}{_title(self.algorithm)} {self.digest})"


def check_weights(path: str | Path, wanted: WeightFile) -> Path:
    """Return the path of a weight file that is the published one.

    Raises:
        AvkerasError: there is no such file, or its checksum is another.

    Example:
        >>> open("empty.h5", "w").close()
        >>> check_weights("empty.h5", WeightFile("empty.h5", "Nothing", "d41d8cd98f00b204e9800998ecf8427e", "md5"))
        PosixPath('empty.h5')
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise AvkerasError(f"{path}: no such file; {wanted} is wanted.")
    found = checksum(path, wanted.algorithm)
    if found != wanted.digest:
        title = _title(wanted.algorithm)
        raise AvkerasError(f"{path}: {title} {found}, but {wanted.name} has {wanted.digest}; download it again.")
    return path


def find_weights(wanted: WeightFile, path: str | Path | None = None) -> Path:
    """Return a published weight file, downloaded if need be, with its checksum checked.

    Args:
        wanted: which file.
        path: where it is; default: `~/.keras/models/`, and a download if it is not there.

    Raises:
        AvkerasError: the file is not there and cannot be downloaded, or is another file.

    Example:
        >>> open("empty.h5", "w").close()
        >>> wanted = WeightFile("empty.h5", "Nothing", "d41d8cd98f00b204e9800998ecf8427e", "md5")
        >>> find_weights(wanted, "empty.h5")
        PosixPath('empty.h5')
    """
    if path is None:
        import keras

        try:
            path = keras.utils.get_file(wanted.name, wanted.url, cache_subdir="models")
        except Exception as error:  # get_file raises a bare Exception when there is no network
            raise AvkerasError(
                f"{wanted.what}'s weights are not there and cannot be downloaded from {wanted.url} ({error}).\n"
                f"Put {wanted} into ~/.keras/models/, or give its path as `weights`."
            ) from error
    return check_weights(path, wanted)


def checksum(path: str | Path, algorithm: str) -> str:
    """Return a file's checksum as hexadecimal digits: "md5", "sha256" or "git blob" (see `WeightFile`).

    Example:
        >>> open("empty.txt", "w").close()
        >>> checksum("empty.txt", "git blob")
        'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    path = Path(path)
    total = hashlib.new("sha1" if algorithm == "git blob" else algorithm)
    if algorithm == "git blob":
        total.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _title(algorithm: str) -> str:
    return {"md5": "MD5", "sha256": "SHA-256", "git blob": "git blob"}[algorithm]
