import codecs
import csv
import gzip
import warnings

import pytest

from avkeras.data.manifest import Event
from avkeras.errors import ManifestError
from avkeras.evaluation.files import read_durations, read_events, read_operating_points, write_events


def defects(read, path):
    with pytest.raises(ManifestError) as caught:
        read(path)
    return [line.replace(f"{path}", "FILE") for line in str(caught.value).splitlines()]


def test_events_come_back(tmp_path):
    events = {
        "b.wav": (Event(0.1, 1 / 3, "Dog"), Event(0.2, 10.0, "Alarm bell")),
        "a.wav": (),
        "c": (Event(0, 0, "x"),),
    }
    write_events(tmp_path / "events.tsv", events)
    assert (tmp_path / "events.tsv").read_text().splitlines()[0] == "filename\tonset\toffset\tevent_label"
    found = read_events(tmp_path / "events.tsv")
    assert found == events
    assert list(found) == list(events)


def test_real_files_are_read(mini):
    found = read_events(mini.folder / "ground_truth.tsv")
    durations = read_durations(mini.folder / "durations.tsv")
    assert sum(map(len, found.values())) == mini.expected["event"]["overall_counts"]["Nref"]
    assert sum(durations.values()) == pytest.approx(mini.expected["total_duration_s"])
    assert set(found) <= set(durations)


def test_other_ways_to_write_the_same(tmp_path):
    # Columns in any order and more of them, a byte order mark, CRLF, an empty line, cut empty fields
    path = tmp_path / "events.tsv"
    path.write_bytes(b"\xef\xbb\xbfevent_label\tfilename\tonset\toffset\tnote\r\nDog\ta\t1\t2.5\tx\r\n\r\n\tb\r\n")
    assert read_events(path) == {"a": (Event(1.0, 2.5, "Dog"),), "b": ()}


def test_all_defects_of_events_are_reported(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text(
        "filename\tonset\toffset\tevent_label\n"
        "a\t0\tten\tDog\n"
        "a\t2\t1\tDog\n"
        "\t1\t2\tDog\n"
        "a\t1\t2\t\n"
        "a\tnan\tinf\tDog\n"
        "a\t1\t2\tDog\tmore\n"
        "a\t1\t2\tDog\n"
    )
    assert defects(read_events, path) == [
        "FILE:2: offset 'ten' is not a number",
        "FILE:3: onset 2, offset 1: an event begins at 0 or later and ends after",
        "FILE:4: no filename",
        "FILE:5: an event without event_label",
        "FILE:6: onset 'nan' is not a number",
        "FILE:6: offset 'inf' is not a number",
        "FILE:7: 5 fields, but the header has 4",
    ]
    path.write_text("clip\tstart\tend\tsound\na\t0\t1\tDog\n")
    assert defects(read_events, path) == [
        "FILE:1: no column filename, onset, offset, event_label; the first line must be: filename onset offset "
        "event_label (tab-separated)"
    ]


def test_all_defects_of_durations_are_reported(tmp_path):
    path = tmp_path / "durations.tsv"
    path.write_text("filename\tduration\na\t0\nb\t1\nb\t2\nc\t?\n")
    assert defects(read_durations, path) == [
        "FILE:2: duration 0 is not above 0",
        "FILE:4: b has the duration 1 already",
        "FILE:5: duration '?' is not a number",
    ]


EVENTS = {"a.wav": (Event(0.5, 2.0, "Dog"), Event(1.0, 1.5, "Tür, offen")), "b.wav": (Event(0.0, 10.0, "Café"),)}
HEADER = "filename\tonset\toffset\tevent_label\n"


def interpreted(path, read=read_events):
    notes = []
    return read(path, notes=notes), [note.replace(str(path), "FILE") for note in notes]


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("utf-16-be", "FILE: read as UTF-16, without byte order mark"),
        ("utf-16-le", "FILE: read as UTF-16, without byte order mark"),
        ("latin-1", "FILE: not UTF-8 (first in line 3); read as Windows-1252, the superset of Latin-1"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(tmp_path, encoding, note, packed):
    path = tmp_path / "events.tsv"
    write_events(path, EVENTS)
    data = path.read_text(encoding="utf-8").encode(encoding)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert interpreted(path) == (EVENTS, [note] if note else [])
    if note:
        with pytest.warns(UserWarning, match="read as"):  # without a list for notes nothing is guessed in silence
            read_events(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "FILE: a spreadsheet or zip archive; save it as text with tabs (.tsv) or commas (.csv)"),
        (gzip.compress(b"filename" * 99, mtime=0)[:-9], "FILE: broken gzip file"),
        (codecs.BOM_UTF16_LE + b"abc", "FILE: neither text in UTF-8 nor in UTF-16; save it as UTF-8"),
        (b"filename\n\x81\xff", "FILE:2: not text in UTF-8, UTF-16 or Latin-1; save it as UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_with_a_remedy(tmp_path, data, message):
    path = tmp_path / "events.tsv"
    path.write_bytes(data)
    (found,) = defects(read_events, path)
    assert found.startswith(message)


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_files_of_sed_eval_without_header(tmp_path, separator):
    """What dcase_util, which reads sed_eval's files, says is in them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        from dcase_util.containers import MetaDataContainer

    path = tmp_path / "clip1.ann"
    for rows in (
        ["0.5 2.0 dog", "1 1.5 cat"],
        ["a.wav 0.5 2.0 dog", "b.wav 1 1.5 cat"],
        ["a.wav home 0.5 2.0 dog", "b.wav home 1 1.5 cat"],
    ):
        path.write_text("\n".join(rows).replace(" ", separator) + "\n")
        expected = [
            (item.filename or "clip1", item.onset, item.offset, item.event_label)
            for item in MetaDataContainer().load(str(path))
        ]
        found, notes = interpreted(path)
        assert [(name, *event) for name, events in found.items() for event in events] == expected
        assert any(note.startswith("FILE: no header; read as ") for note in notes)
        assert any("commas" in note or "semicolons" in note for note in notes) == (separator != "\t")


def test_commas_in_another_order_of_columns(tmp_path):
    """As pandas writes the predictions of DESED_task's systems."""
    path = tmp_path / "predictions.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", "event_label", "onset", "offset", "filename"])
        rows = [(name, event) for name, events in EVENTS.items() for event in events]
        for number, (name, event) in enumerate(rows):
            writer.writerow([number, event.label, event.onset, event.offset, name])
    assert interpreted(path) == (EVENTS, ["FILE: read with commas between the fields"])


def test_rows_of_nan_and_onsets_just_below_0(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text(HEADER + "a\tnan\tNaN\tnan\nb\t-1e-9\t2\tDog\nc\t\t\tnan\n")
    assert interpreted(path) == (
        {"a": (), "b": (Event(0.0, 2.0, "Dog"),), "c": ()},
        [
            "FILE: 2 rows of nan read as clips without events",
            "FILE: 1 onset less than 1 microsecond below 0 read as 0",
        ],
    )
    path.write_text(HEADER + "b\t-0.1\t2\tDog\nb\t1\t2\tnan\n")
    assert defects(read_events, path) == [
        "FILE:2: onset -0.1, offset 2: an event begins at 0 or later and ends after",
        "FILE:3: an event without event_label",
    ]


@pytest.mark.parametrize("text", ["", HEADER, HEADER + "\n\n"])
def test_a_file_without_rows_has_no_events(tmp_path, text):
    path = tmp_path / "events.tsv"
    path.write_text(text)
    assert interpreted(path) == ({}, ["FILE: no rows, so no events"])


def test_a_folder_of_files(tmp_path):
    (tmp_path / "a.ann").write_text("0.5\t2\tDog\n")
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "c.txt").write_text("onset\toffset\tevent_label\n")
    found, notes = interpreted(tmp_path)
    assert found == {"a": (Event(0.5, 2.0, "Dog"),), "b": (), "c": ()}
    assert notes[0] == "FILE: 3 files read as one"
    (tmp_path / "d.tsv").write_text(HEADER + "a\t0\t1\tDog\n")
    assert defects(read_events, tmp_path) == ["FILE/d.tsv:2: clip a is in FILE/a.ann:1 already"]


def test_operating_points_of_a_file_and_of_a_folder(mini, tmp_path):
    points = read_operating_points(mini.folder / "predictions_50_thresholds.tsv.gz")
    assert [float(key) for key in points] == pytest.approx([(2 * step + 1) / 100 for step in range(50)])
    for key, events in points.items():
        write_events(tmp_path / f"{key}.tsv", events)
    assert read_operating_points(tmp_path) == points
    (tmp_path / "one.tsv").write_text("threshold\t" + HEADER + "high\ta\t0\t1\tDog\n")
    assert defects(read_operating_points, tmp_path / "one.tsv") == ["FILE:2: no threshold, or not a number"]


def test_durations_as_others_write_them(tmp_path):
    path = tmp_path / "durations.csv"
    path.write_text("a.wav,10\nb.wav,9.5\na.wav,10\n")
    found, notes = interpreted(path, read_durations)
    assert found == {"a.wav": 10.0, "b.wav": 9.5}
    assert notes == [
        "FILE: read with commas between the fields",
        "FILE: no header; read as filename duration",
        "FILE: 1 row that repeat a clip and its duration left out",
    ]


def test_no_row_is_lost_in_another(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text(f"{HEADER}a.wav\t0.5\t2.0\tDog\na.wav 4.0 5.0 Dog\nb 1 2 c.wav\t\t\t\n")
    (defect,) = defects(read_events, path)
    assert defect == "FILE:3: 'a.wav 4.0 5.0 Dog' is one field; separate fields as the other rows do"
    for rest in ("\nc.wav\t1\t2\tDog\n", "", '\nc.wav\t1\t2\t"Dog"\n'):
        path.write_text(f'{HEADER}b.wav\t1\t3\t"Cat{rest}')
        (defect,) = defects(read_events, path)
        assert defect.startswith("FILE:2: a field begins with a quotation mark, but does not end with one")
    path.write_text(f'{HEADER}"a ""b"".wav"\t1\t3\t12" drum\n\nb 1 2 c.wav\t\t\t\n')
    assert read_events(path) == {'a "b".wav': (Event(1.0, 3.0, '12" drum'),), "b 1 2 c.wav": ()}
