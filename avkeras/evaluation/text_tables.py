"""Tables as people's tools write them: tabs, commas or semicolons, with a header or without, in any usual encoding.

Whatever is read otherwise than as UTF-8 with a header and tabs is said in a note. Notes go to the list that is given;
without one they are warnings, so nothing is guessed in silence.
"""

import codecs
import csv
import gzip
import itertools
import math
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avkeras.errors import ManifestError

# What pandas and other tools write where a field is empty
EMPTY = frozenset({"", "nan", "na", "n/a", "none", "null", "<na>"})
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16: asked first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_NAMES = {
    "file": "filename",
    "file_name": "filename",
    "event_onset": "onset",
    "event_offset": "offset",
    "label": "event_label",
}
_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons"}


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Args:
        path: the file.
        header: names of the columns, lower case where they are known ones; None: the file has no header.
        rows: line number and fields of each row that is not empty.
    """

    path: Path
    header: tuple[str, ...] | None
    rows: list[tuple[int, list[str]]]

    def columns(self, wanted: Sequence[str], defects: list[str]) -> Iterator[tuple[str, list[str]]]:
        """The wanted columns of each row with its place (`file:line`); rows that are too long are defects.

        An editor may have cut empty fields at the end of a row: they are empty again. A row of one field that holds
        the numbers of others is a defect, too.

        Args:
            wanted: names of columns that are there.
            defects: gets a line for each defect.
        """
        places = [self.header.index(name) for name in wanted]
        width = len(self.header)
        for line, fields in self.rows:
            if len(fields) > width and any(fields[width:]):
                defects.append(f"{self.path}:{line}: {len(fields)} fields, but the header has {width}")
                continue
            if len(fields) == 1 and _is_a_row(fields[0], width):
                defects.append(f"{self.path}:{line}: {fields[0]!r} is one field; separate fields as the other rows do")
                continue
            fields = fields + [""] * (width - len(fields))
            yield f"{self.path}:{line}", [fields[place] for place in places]


def say(notes: list[str] | None, text: str) -> None:
    """Adds a note; without a list for it, warns."""
    if notes is None:
        warnings.warn(text, UserWarning, stacklevel=3)
    else:
        notes.append(text)


def read_text(path: str | Path, *, notes: list[str] | None = None) -> str:
    """Read text in UTF-8, UTF-16, UTF-32 or Windows-1252 (which Latin-1 text is, too), packed by gzip or not.

    Args:
        path: the file.
        notes: gets what was interpreted.

    Raises:
        ManifestError: it is no text; says what to do.
        OSError: the file cannot be read.
    """
    data = Path(path).read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ManifestError([f"{path}: broken gzip file ({error}); pack it again, or give it unpacked"]) from None
    if data.startswith(b"PK\x03\x04"):
        raise ManifestError(
            [f"{path}: a spreadsheet or zip archive; save it as text with tabs (.tsv) or commas (.csv)"]
        )
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data[:1000]:
        # Text in the Latin alphabet has its zeros at odd places in UTF-16 LE
        encoding = "utf-16-le" if data[1:1000:2].count(0) > data[:1000:2].count(0) else "utf-16-be"
    try:
        text = data.decode(encoding)
        # A mark is as good as a statement of the encoding; without one it was guessed
        if encoding in ("utf-16-le", "utf-16-be"):
            say(notes, f"{path}: read as UTF-16, without byte order mark")
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise ManifestError([f"{path}: neither text in UTF-8 nor in UTF-16; save it as UTF-8"]) from None
        line = data[: error.start].count(b"\n") + 1
        text = data.decode("cp1252", errors="replace")
        if "\ufffd" in text or "\0" in text:
            raise ManifestError([f"{path}:{line}: not text in UTF-8, UTF-16 or Latin-1; save it as UTF-8"]) from None
        say(notes, f"{path}: not UTF-8 (first in line {line}); read as Windows-1252, the superset of Latin-1")
    return text


def read_table(
    path: str | Path, known: Sequence[str], *, notes: list[str] | None = None, usual: str = "\t"
) -> TextTable:
    """Read a table whose header, where it has one, names at least one of the known columns.

    Args:
        path: the file.
        known: names of columns, in lower case; they are found whatever their case, and by sed_eval's other names.
        notes: gets what was interpreted.
        usual: what stands between the fields where nothing needs to be said.

    Raises:
        ManifestError: it is no text.
        OSError: the file cannot be read.
    """
    text = read_text(path, notes=notes)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    separator = next((one for one in _SEPARATORS if one in first), None)
    if separator is None:
        # One column (files without events), or fields between blanks
        found = next((one for one in _SEPARATORS if one in text), None)
        separator = found or usual
        if found is None and len(first.split()) >= 3:
            lines = [re.sub(r"\s+", "\t", line.strip()) for line in lines]
            say(notes, f"{path}: read with blanks between the fields")
    if separator != usual:
        say(notes, f"{path}: read with {_SEPARATORS[separator]} between the fields")
    rows = [(line, fields) for line, fields in _split(path, lines, separator) if any(fields)]
    header = None
    if rows:
        names = [name.lower() for name in rows[0][1]]
        names = [name if name in known else _OTHER_NAMES.get(name, name) for name in names]
        if set(names) & set(known):
            # Names of classes keep their case
            header = tuple(new if new in known else old for new, old in zip(names, rows.pop(0)[1], strict=True))
    return TextTable(Path(path), header, rows)


def _split(path: str | Path, lines: list[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the number and the fields of each line; a quotation mark that is not closed in its line is refused."""
    reader, line = csv.reader(lines, delimiter=separator, strict=True), 0
    while True:
        line += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = None
        if row is None or reader.line_num > line:
            what = "a field begins with a quotation mark, but does not end with one; take it out"
            raise ManifestError([f"{path}:{line}: {what}"])
        yield line, [field.strip() for field in row]


def _is_a_row(field: str, width: int) -> bool:
    """Returns whether a field is a row of `width` fields between blanks, two numbers in a row among them."""
    parts = [number(part) for part in field.split()]
    return len(parts) >= width > 2 and any(None not in pair for pair in itertools.pairwise(parts))


def number(text: str) -> float | None:
    """A finite number, or None.

    Example:
        >>> number("1.5"), number("nan"), number("x")
        (1.5, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_empty(fields: Sequence[str]) -> bool:
    """Whether fields hold nothing, as they stand or as `nan` and the like."""
    return all(field.lower() in EMPTY for field in fields)
