"""The report's numbers against references, and its page in a browser, on scores made up here."""

import keras
import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from avkeras.data.manifest import Clip
from avkeras.evaluation.thresholds import micro_f1
from avkeras.reports.report import (
    BINS,
    clip_losses,
    counts_by_part,
    loss_table,
    media_links,
    relative_path,
    score_counts,
    table,
    write_report,
)

CLASSES = ("Car", "</script><b onclick=alert(1)>", "Zug")
CLIPS = 60


def f1_of_counts(counts, threshold):
    """By hand, from what the page gets."""
    pairs = [(b, w, o) for one in counts for b, w, o in zip(one["bins"], one["with"], one["without"], strict=True)]
    truth = sum(positive for _, positive, _ in pairs)
    correct = sum(positive for place, positive, _ in pairs if place >= threshold)
    claimed = correct + sum(negative for place, _, negative in pairs if place >= threshold)
    return 2 * correct / (truth + claimed) if truth + claimed else 0.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1_000_000)), min_size=1, max_size=30), st.integers(0, BINS))
def test_the_counts_give_f1_at_every_threshold_of_three_decimals(clips, threshold):
    targets = np.array([[present] for present, _ in clips], float)
    probabilities = np.array([[float(f"{millionths / 1e6:.6f}")] for _, millionths in clips])
    expected = micro_f1(targets, probabilities, threshold=float(f"{threshold / BINS:.3f}"))
    assert f1_of_counts(score_counts(targets, probabilities), threshold) == pytest.approx(expected)


def test_the_loss_of_a_clip_is_keras_binary_cross_entropy():
    random = np.random.default_rng(0)
    targets, probabilities = random.integers(0, 2, (20, 5)), random.uniform(size=(20, 5))
    expected = keras.losses.binary_crossentropy(targets.astype("float32"), probabilities.astype("float32"))
    np.testing.assert_allclose(clip_losses(targets, probabilities), np.asarray(expected), rtol=1e-4)
    assert np.isfinite(clip_losses(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))).all()


def test_links_are_relative_and_no_name_makes_another_address_of_them(tmp_path):
    clip = Clip("a", tmp_path / "data" / "javascript:alert(1)#?.wav", tmp_path / "data" / "ä b.mp4", "test", ())
    (text, address), (_, video) = media_links(clip, tmp_path / "runs")
    assert text == "javascript:alert(1)#?.wav"
    assert address == "../data/javascript%3Aalert%281%29%23%3F.wav"
    assert video == "../data/%C3%A4%20b.mp4"
    assert media_links(Clip("a", clip.video, clip.video, "test", ()), tmp_path / "data") == [
        ("ä b.mp4", "%C3%A4%20b.mp4")
    ]
    assert relative_path(tmp_path, tmp_path) == "."


def made_up():
    random = np.random.default_rng(1)
    targets = random.integers(0, 2, (CLIPS, 3)).astype(float)
    targets[:, 2] = 0  # a class without clips
    found = {}
    for name, noise in (("audio", 0.6), ("audio+video", 0.3)):
        values = np.clip(0.5 + (targets - 0.5) * 0.6 + random.normal(0, noise, targets.shape), 0, 1)
        found[name] = np.round(values, 3)
    return targets, found, np.arange(CLIPS) % 3 > 0


def psd(height):
    curve = [(0.0, 0.1), (20.0, height), (100.0, height)]
    return {"all": {"value": 0.8 * height + 0.02, "mean": curve, "classes": {"Car": curve}}}


@pytest.fixture
def page(tmp_path, browser_page):
    targets, found, with_video = made_up()
    systems = []
    for name, probabilities in found.items():
        claimed = probabilities >= 0.4
        clips = [
            Clip(f"clip-{place}", tmp_path / "m" / f"{place}.wav", None, "test", ("Car",)) for place in range(CLIPS)
        ]
        scores = precision_recall_fscore_support(targets, claimed, zero_division=0)
        systems.append(
            {
                "name": name,
                "threshold": 0.4,
                "training": {"epoch": [1, 2, 3], "loss": [0.9, 0.5, None], "val_loss": [0.8, 0.6, 0.5]},
                "trainingNote": "3 epochs",
                "counts": counts_by_part(targets, probabilities, with_video),
                "perClass": [
                    {"class": own, "support": int(support), "predicted": 1, "precision": p, "recall": r, "F1": f}
                    for own, p, r, f, support in zip(CLASSES, *scores, strict=True)
                ],
                "losses": loss_table(clips, targets, probabilities, [("Car",)] * CLIPS, folder=tmp_path),
            }
        )
    path = write_report(
        tmp_path / "report.html",
        title="A <run>",
        lead="of a test",
        warnings=["a stand-in"],
        classes=CLASSES,
        systems=systems,
        results=table("Results", {"system": "text", "F1": "percent"}, [("b", 0.2), ("a", 0.1), ("c", None)]),
        trainingLabel="loss",
        notes=["note <i>"],
        tables=[table("Values", {"name": "text", "value": "text"}, [("data", CLASSES[1])])],
        detection={"PSDS1": psd(0.5), "PSDS2": psd(0.7)},
    )
    return browser_page(path)


def rows_of(page, place):
    return [line.split("\t") for line in page.locator(f"{place} tbody tr").all_inner_texts()]


def test_systems_stand_side_by_side_at_the_threshold_of_the_slider(page):
    targets, found, with_video = made_up()

    def expected(places, columns):
        rows = []
        for name, probabilities in found.items():
            part = targets[places][:, columns].ravel(), probabilities[places][:, columns].ravel() >= threshold
            p, r, f, _ = precision_recall_fscore_support(*part, average="binary", zero_division=0)
            rows.append([name, *(f"{100 * value:.1f} %" for value in (p, r, f))])
        return rows

    def shown():
        return [[row[0], *row[4:]] for row in rows_of(page, "#atThreshold")]

    threshold = 0.4
    everything = np.ones(CLIPS, bool)
    assert shown() == expected(everything, [0, 1, 2])
    threshold = 0.731
    page.locator("#threshold").fill("731")
    assert page.locator("#thresholdValue").inner_text() == "0.731"
    assert shown() == expected(everything, [0, 1, 2])
    page.locator("#class").select_option("Car")
    page.locator("#part").select_option("without video")
    assert shown() == expected(~with_video, [0])
    legend = page.locator("#pr .legend li").all_inner_texts()
    for text, (name, probabilities) in zip(legend, found.items(), strict=True):
        average = average_precision_score(targets[~with_video, 0], probabilities[~with_video, 0])
        assert text == f"{name} (average precision {average:.3f})"
    page.locator("#own").click()
    assert page.locator("#thresholdValue").inner_text() == "0.400"
    page.locator("#class").select_option("Zug")
    assert "Nothing to draw" in page.locator("#pr").inner_text()


def test_the_choice_of_a_system_changes_curves_and_classes(page):
    assert page.locator("#classes th button").all_inner_texts() == [
        "class",
        "support (clips)",
        "F1, audio",
        "F1, audio+video",
    ]
    assert page.locator("#pr path.series").count() == 2
    page.locator("#system").select_option("audio")
    assert page.locator("#pr path.series").count() == 1
    assert page.locator("#classes th button").all_inner_texts()[2:] == ["predicted", "precision", "recall", "F1"]
    assert page.locator("#training path.series").count() == 4
    page.locator("#trainingSystem").select_option("audio+video")
    assert page.locator("#training .legend li").all_inner_texts() == [
        "audio+video: training loss",
        "audio+video: validation loss",
    ]
    assert rows_of(page, "#classes")[1][0] == CLASSES[1]
    assert page.locator("main b, main i").count() == 0
    page.locator("#lossSystem").select_option("audio")
    losses = [float(row[1]) for row in rows_of(page, "#losses")]
    assert len(losses) == 20
    assert losses == sorted(losses, reverse=True)
    assert page.locator("#losses a").first.get_attribute("href").startswith("m/")


def test_a_click_on_a_column_sorts_and_missing_values_stay_last(page):
    heading = page.locator("#results th", has_text="F1")
    heading.locator("button").click()
    assert [row[0] for row in rows_of(page, "#results")] == ["a", "b", "c"]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").click()
    assert [row[0] for row in rows_of(page, "#results")] == ["b", "a", "c"]
    page.locator("#results th button").first.press("Enter")
    assert [row[0] for row in rows_of(page, "#results")] == ["a", "b", "c"]
    assert heading.get_attribute("aria-sort") == "none"


def test_points_are_told_by_pointer_and_by_arrow_keys(page):
    chart = page.locator("#psd > svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + box["height"] / 2)
    assert "effective false positives per hour: 100\ntrue positive ratio: 0.5" in page.locator("#psd .tip").inner_text()
    page.locator("#psdMetric").select_option("PSDS2")
    page.locator("#psdClass").select_option("Car")
    assert page.locator("#psd .legend li").all_inner_texts() == ["mean less standard deviation (area 0.5800)", "Car"]
    page.locator("#psd > svg").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert (
        page.locator("#psd .tip").inner_text()
        == "Car\neffective false positives per hour: 20\ntrue positive ratio: 0.7"
    )


def test_the_page_fits_a_narrow_screen(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#pr > svg").bounding_box()["width"] <= 390
