"""Labels that a first model gives to unlabelled clips, for a second one (`--teacher RUN`).

DCASE 2018's baseline works so, where no training clip tells when something is heard. The teacher is the folder of a
detection run, of any model. Its events, decided by the thresholds and filters that it was tuned to for event-based F1,
make the unlabelled training clips strong ones; in which it hears nothing, nothing is heard. Weak and strong clips keep
the labels that people gave them.
"""

import dataclasses
from collections import Counter

from avkeras.data.detection_set import DetectionSet
from avkeras.data.manifest import Clip, Event, Manifest
from avkeras.errors import AvkerasError
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection_inputs import (
    extract_features,
    frames_per_vector,
    front_end,
    input_lengths,
    teacher_tuning,
)
from avkeras.runs.files import read_json, write_json, write_rows
from avkeras.runs.run_folder import INPUTS_FILE, as_tuples, read_config

PSEUDO_LABELS = "pseudo_labels.json"  # of a run with a teacher


def labelled_by_teacher(values: SoundEventDetection, manifest: Manifest) -> Manifest:
    """Returns the clips with the teacher's events as labels of those that were unlabelled.

    In the run's folder `pseudo_labels.json` holds the events by clip, where a run that goes on reads them, and
    `pseudo_labels.csv` how many there are of each class. Clips of which the teacher's inputs cannot be extracted stay
    unlabelled, and are counted there too.

    Args:
        values: of the experiment, with a `teacher`.
        manifest: all clips.

    Raises:
        AvkerasError: no clip or no embedder can be had that the teacher takes.
    """
    file = values.out / PSEUDO_LABELS
    unlabelled = tuple(clip for clip in manifest.split("train") if clip.supervision == "unlabelled")
    if not (file.is_file() and (values.out / INPUTS_FILE).is_file()):  # before training, the manifest may be mended
        found = _predict(values, manifest, unlabelled)
        events, clips = Counter(event.label for own in found.values() for event in own), Counter()
        for own in found.values():
            clips.update({event.label for event in own})
        rows = [{"class": name, "clips": clips[name], "events": events[name]} for name in manifest.classes]
        rows += [{"class": "(none)", "clips": sum(not own for own in found.values()), "events": 0}]
        rows += [{"class": "(not labelled)", "clips": len(unlabelled) - len(found), "events": 0}]
        write_rows(values.out / "pseudo_labels.csv", rows)
        write_json(file, found)
    labels = {id: tuple(Event(*event) for event in own) for id, own in read_json(file).items()}
    changed = {clip.id: _labelled(clip, labels[clip.id], manifest) for clip in unlabelled if clip.id in labels}
    return dataclasses.replace(manifest, clips=tuple(changed.get(clip.id, clip) for clip in manifest.clips))


def _labelled(clip: Clip, events: tuple[Event, ...], manifest: Manifest) -> Clip:
    heard = {event.label for event in events}
    labels = tuple(name for name in manifest.classes if name in heard)
    return dataclasses.replace(clip, labels=labels, events=events, supervision="strong")


def _predict(values: SoundEventDetection, manifest: Manifest, clips: tuple[Clip, ...]) -> dict[str, list[Event]]:
    """Returns the teacher's events, by clip, of those clips whose inputs can be had."""
    import keras

    folder, theirs = values.teacher, _values_of_teacher(values, manifest)
    tuning = teacher_tuning(folder)
    features = extract_features(theirs, dataclasses.replace(manifest, clips=clips))
    usable = DetectionSet(
        [clip for clip in clips if clip.id not in features.failed],
        features.readers(),
        tuning.classes,
        lengths=input_lengths(theirs, features),
        pooling=frames_per_vector(theirs),
        hop=front_end(theirs).seconds(1),
    )
    if not len(usable):
        raise AvkerasError(f"teacher: {folder}: no unlabelled clip has the inputs that its model takes")
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    frame = model.predict(usable.dataset(batch_size=sum(values.batch)), verbose=0)["frame"]
    found = zip(usable.clips, tuning.events(frame, durations=usable.durations), strict=True)
    return {clip.id: [event for event in events if event.label in manifest.classes] for clip, events in found}


def _values_of_teacher(values: SoundEventDetection, manifest: Manifest) -> SoundEventDetection:
    """Returns the teacher's values, for the clips and the stores of this run."""
    known = {field.name for field in dataclasses.fields(SoundEventDetection)}
    given = {name: as_tuples(value) for name, value in read_config(values.teacher).items() if name in known}
    here = {"data": manifest.path, "out": values.out, "records": values.records, "workers": values.workers}
    return SoundEventDetection(**{**given, **here, "teacher": None})
