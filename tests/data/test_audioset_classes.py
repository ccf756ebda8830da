import hashlib
from importlib import resources

from avkeras.data.audioset import audioset_classes, yamnet_classes


def test_classes_are_those_of_the_published_list():
    file = resources.files("avkeras.data").joinpath("audioset_classes.csv").read_bytes()
    assert hashlib.sha256(file).hexdigest().startswith("cdd10498")
    names = audioset_classes()
    assert len(names) == len(set(names)) == 527
    assert (names[0], names[72], names[526]) == ("Speech", "Animal", "Field recording")


def test_yamnet_tells_six_less_in_the_same_order():
    # Of its published class map.
    known = {
        0: "Speech",
        1: "Child speech, kid speaking",
        67: "Animal",
        132: "Music",
        494: "Silence",
        520: "Field recording",
    }
    names = yamnet_classes()
    assert len(names) == 521
    assert {place: names[place] for place in known} == known
