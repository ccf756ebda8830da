import numpy as np
import pytest

from avkeras.cli import main
from avkeras.data.manifest import Event
from avkeras.evaluation.files import write_events
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.score_files import FrameScores, write_scores

NAMES = ("a<b>", "c", "d", "e")
HOP = 0.5


@pytest.fixture
def files(tmp_path):
    """Truth, events and scores of two systems; a clip's name is markup."""
    random = np.random.default_rng(0)
    truth = [(Event(0.0, 2.0, "Dog"), Event(4.0, 6.0, "Cat")), (Event(1.0, 5.0, "Dog"),), (), (Event(3.0, 4.0, "Cat"),)]
    write_events(tmp_path / "truth.tsv", dict(zip(NAMES, truth, strict=True)))
    for system in ("one", "two"):
        scores = random.uniform(0, 0.4, (4, 20, 2))
        for clip, events in enumerate(truth):
            for event in events:
                own = slice(int(event.onset / HOP), int(event.offset / HOP))
                scores[clip, own, ("Cat", "Dog").index(event.label)] += 0.5
        given = FrameScores(NAMES, ("Cat", "Dog"), scores, HOP, np.full(4, 10.0))
        write_scores(tmp_path / system, given)
        found = decode_events(scores, classes=given.classes, seconds_per_frame=HOP)
        write_events(tmp_path / f"{system}.tsv", dict(zip(NAMES, found, strict=True)))
    return tmp_path


def test_the_page_of_a_system(files, browser_page, capsys):
    options = ["--truth", str(files / "truth.tsv"), "--scores", str(files / "one"), "--bootstrap", "20"]
    main(["evaluate", str(files / "one.tsv"), *options, "--html", str(files / "page.html")])
    shown = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines()[:7])
    page = browser_page(files / "page.html")
    rows = [row.split("\t") for row in page.locator("#results table").first.locator("tbody tr").all_inner_texts()]
    assert [(name, value) for name, value in rows] == [
        (name, f"{100 * float(value):.1f} %") for name, value in shown.items()
    ]
    assert page.locator("#classes table").count() == 4
    # The curve of all classes, then those of each
    assert page.locator("#psd path.series").count() == 1
    page.select_option("#class", "every class")
    assert page.locator("#psd path.series").count() == 3
    page.select_option("#metric", "PSDS2_all")
    assert f"({float(shown['PSDS2_all']):.4f})" in page.locator("#psd .legend").inner_text()


def test_the_page_of_two_systems(files, browser_page, capsys):
    options = ["--truth", str(files / "truth.tsv"), "--scores", str(files / "one"), str(files / "two")]
    options += ["--bootstrap", "20", "--html", str(files / "page.html")]
    main(["evaluate", str(files / "one.tsv"), str(files / "two.tsv"), *options])
    page = browser_page(files / "page.html")
    rows = [row.split("\t") for row in page.locator("#results tbody tr").all_inner_texts()]
    assert rows[0][:2] == ["clip", "micro"]
    assert all(len(row) == 9 for row in rows)
    assert page.locator("#psd path.series").count() == 2
    assert "A: " in page.locator("#psd .legend").inner_text()
