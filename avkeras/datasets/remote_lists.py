"""Official lists: where they are, their checksums, and how they come into a folder."""

import hashlib
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.errors import AvkerasError, WriteError
from avkeras.runs.files import OF_WRITING, write_bytes, writing


@dataclass(frozen=True)
class RemoteList:
    """One official list.

    Args:
        name: its file name.
        sha256: of its content; empty: it is the user's own, and nothing is compared.
        url: where it is; empty: no address of the file alone is known.
        same: what brings the content of a list that is published in several forms into one; None: there is one form.
        same_sha256: of that form; a list of the user's own that has it is the official one.
    """

    name: str
    sha256: str
    url: str = ""
    same: Callable[[bytes], bytes] | None = None
    same_sha256: str = ""

    def note(self, content: bytes) -> str:
        """Returns a line that says that a content is not the official one; empty: it is."""
        digest = hashlib.sha256(content).hexdigest()
        if digest == self.sha256 or not self.sha256:
            return ""
        if self.same is not None and hashlib.sha256(self.same(content)).hexdigest() == self.same_sha256:
            return ""
        return f"{self.name}: is not the official list (SHA-256 {digest[:12]}, not {self.sha256[:12]})"


def place_lists(lists: Sequence[RemoteList], folder: str | Path, *, own: str | Path | None = None) -> list[str]:
    """Brings lists into `folder`: those there already stay, others come from `own` or from their address.

    What is downloaded must have its SHA-256; a list of the user's own may differ, and that is told.

    Args:
        lists: which.
        folder: where to.
        own: folder with lists that the user has, plain or as `.xz`; it is looked at first.

    Returns:
        A line for each list whose content is not the official one.

    Raises:
        AvkerasError: naming the list that cannot be had, and what to do.
        WriteError: a list cannot be written.

    Example:
        >>> import tempfile, pathlib
        >>> own = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (own / "a.tsv").write_text("filename\\n")
        >>> place_lists([RemoteList("a.tsv", "0" * 64)], own / "lists", own=own)
        ['a.tsv: is not the official list (SHA-256 ...)']
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    notes = []
    for remote in lists:
        file = folder / remote.name
        content = None if own is None else _read_own(Path(own), remote.name)
        if content is not None:
            write_bytes(file, content)
        elif not file.is_file():
            _download(remote, folder, own)
        notes.append(remote.note(file.read_bytes()))
    return [note for note in notes if note]


def _read_own(folder: Path, name: str) -> bytes | None:
    if not folder.is_dir():
        raise AvkerasError(f"{folder}: no such folder; give one with the official lists")
    packed = folder / f"{name}.xz"
    if packed.is_file():
        try:
            return lzma.decompress(packed.read_bytes())
        except lzma.LZMAError as error:
            raise AvkerasError(f"{packed}: cannot be unpacked ({error})") from None
    return (folder / name).read_bytes() if (folder / name).is_file() else None


def _download(remote: RemoteList, folder: Path, own) -> None:
    import pooch
    import requests

    where = f"and it is not in {own}" if own else "give a folder that holds it (lists)"
    if not remote.url:
        raise AvkerasError(f"{remote.name}: no address of this list is known, {where}")
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(remote.url, known_hash=f"sha256:{remote.sha256}", fname=remote.name, path=folder)
    except (requests.RequestException, OSError) as error:
        if error.errno in OF_WRITING:
            raise WriteError(folder / remote.name, error) from error
        reason = getattr(getattr(error, "response", None), "status_code", None) or type(error).__name__
        raise AvkerasError(f"{remote.name}: cannot be had from {remote.url} ({reason}), {where}") from None
    except ValueError:
        raise AvkerasError(f"{remote.name}: {remote.url} holds another content than expected, {where}") from None
