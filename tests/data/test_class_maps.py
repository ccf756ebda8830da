"""Maps of classes: of Audio Set's to those of the tasks, and a user's own."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from avkeras.data import ClassMap, audioset_classes, class_map, find_class_map, yamnet_classes
from avkeras.datasets import audioset, dcase2017, dcase2018, dcase2020
from avkeras.errors import AvkerasError

WHOLE = Path(os.environ.get("AVKERAS_LISTS", "no folder given"))


@pytest.mark.parametrize(("name", "module"), [("dcase2017", dcase2017), ("dcase2020", dcase2020)])
def test_known_maps_have_every_class_of_the_task_and_only_classes_of_audio_set(name, module):
    found = class_map(name)
    assert found.classes == module.CLASSES
    sources = [source for names in found.sources.values() for source in names]
    assert len(set(sources)) == len(sources)  # a sound stands for one class
    assert set(sources) <= set(audioset_classes())
    for classes in (audioset_classes(), yamnet_classes()):
        assert found.apply(np.eye(len(classes)), classes).sum() == len(set(sources) & set(classes))


def test_every_row_of_a_known_map_has_a_reason():
    folder = Path(__file__).parents[2] / "avkeras" / "data" / "class_tables"
    for file in folder.glob("*.csv"):
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert all("shared clip" in row["reason"] for row in rows)


@pytest.mark.skipif(not (WHOLE / "dcase2018").is_dir(), reason="no lists in $AVKERAS_LISTS")
@pytest.mark.parametrize(("name", "clips", "f1"), [("dcase2017", 733, 0.835), ("dcase2020", 845, 0.837)])
def test_labels_of_audio_set_agree_with_those_of_the_task_as_is_said(name, clips, f1):
    found = audioset.read_lists(WHOLE / "audioset", parts=["balanced", "evaluation"]).clips
    theirs = {clip.key: set(clip.labels) for clip in found}
    if name == "dcase2017":
        lists = [dcase2017.read_lists(WHOLE / name, parts=["training", "testing"])]
    else:
        lists = [dcase2018.read_lists(WHOLE / "dcase2018"), dcase2020.read_lists(WHOLE / name, parts=["public"])]
    of_task = {clip.key: set(clip.labels) for one in lists for clip in one.clips if clip.supervision != "unlabelled"}
    shared = [key for key in of_task if key in theirs]
    sources = class_map(name).sources
    mapped = {key: {label for label, names in sources.items() if theirs[key] & {*names}} for key in shared}
    both = sum(len(mapped[key] & of_task[key]) for key in shared)
    every = sum(len(mapped[key]) + len(of_task[key]) for key in shared)
    assert len(shared) == clips
    assert 2 * both / every == pytest.approx(f1, abs=0.0005)


def test_which_map_fits():
    assert find_class_map(audioset_classes(), dcase2017.CLASSES) is None  # the same names
    assert find_class_map(audioset_classes(), dcase2018.CLASSES).name == "dcase2020"
    assert find_class_map(dcase2020.CLASSES, dcase2020.CLASSES) is None
    some = find_class_map(yamnet_classes(), ["Dishes", "Cat"])
    assert some.classes == ("Dishes", "Cat")
    with pytest.raises(AvkerasError, match=r"the model has no class 'Cow bell'; give a table"):
        find_class_map(audioset_classes(), ["Cow bell"])


def test_the_highest_probability_counts():
    pets = ClassMap("pets", {"Dog": ("Bark", "Howl", "Yip"), "Cat": ("Meow",)})
    found = pets.apply(np.array([[[0.1, 0.9, 0.3]]]), ["Howl", "Meow", "Bark"])  # Yip is one that the model lacks
    assert found.tolist() == [[[0.3, 0.9]]]
    with pytest.raises(AvkerasError, match=r"class map pets: the model has no class for 'Cat' \(Meow\)"):
        pets.apply([[1.0]], ["Bark"])
    with pytest.raises(AvkerasError, match="class map pets: has no row for 'Cow'"):
        pets.only(["Cow"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be: class,from,reason"),
        ("class\tfrom\n", "must be: class,from,reason"),
        ("class,from,reason\n", "holds no rows"),
        ("class,from\nDog\n", r":2: must be class, model's class, reason"),
        ("class,from,reason\nDog,Bark,x\nDog,Bark,x\n", ":3: 'Bark' stands for 'Dog' already"),
        ("class,from,reason\nHorn,Air horn, truck horn,x\n", ":2: must be class, .* names with commas in quotes"),
    ],
)
def test_tables_with_defects(tmp_path, text, words):
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(AvkerasError, match=words):
        class_map(tmp_path / "map.csv")


def test_a_table_of_the_users_own(tmp_path):
    (tmp_path / "map.csv").write_text('class, from\nHorn, "Air horn, truck horn"\n\nHorn, Toot\n')
    assert class_map(tmp_path / "map.csv").sources == {"Horn": ("Air horn, truck horn", "Toot")}
    with pytest.raises(AvkerasError, match="class map 'dcase2019' is none of dcase2017, dcase2020, and no file"):
        class_map("dcase2019")
