"""The baseline of DCASE 2021 task 4, for detection: that of 2020 with other levels, mixup and batches.

What is not told here is told in `avkeras.systems.crnn_2020`.

| part | value |
|---|---|
| input | hop 256: 626 frames, 156 vectors; the levels of each clip scaled to 0 to 1 |
| mixup | of half of the batches, ratios from Beta(0.2, 0.2), within strong and weak clips |
| batches | 12 strong, 12 weak and 24 unlabelled clips |
"""

from __future__ import annotations

import dataclasses

from avkeras.systems import crnn_2020
from avkeras.systems.crnn_2020 import OPTIONS, VALUES, build_crnn, optimizer, teacher
from avkeras.systems.system import Published, PublishedSystem

FRONT_END = dataclasses.replace(crnn_2020.FRONT_END, hop=256, frames=626)
_ON = "DESED validation, 1168 clips"
_SOURCE = "README of the published code, of the teacher"


def build(
    *,
    classes: int,
    dtype: str = "float32",
    training: bool = False,
    filters: int = 16,
    units: int = 128,
    layers: int = 2,
    dropout: float = 0.5,
    momentum: float = 0.01,
):
    """Returns the model, which gives `clip` `(batch, classes)` and `frame` `(batch, 157, classes)`."""
    return build_crnn(
        FRONT_END,
        name="crnn_2021",
        classes=classes,
        dtype=dtype,
        filters=filters,
        units=units,
        depth=layers,
        dropout=dropout,
        momentum=momentum,
        scaling="min_max",
    )


SYSTEM = PublishedSystem(
    name="crnn_2021",
    task="detection",
    title="convolutional recurrent mean teacher, the baseline of DCASE 2021 task 4",
    paper="DESED_task, recipe of DCASE 2021 task 4",
    inputs="log-mel, 626 frames of 128 bands",
    front_end=FRONT_END,
    parameters=1_112_420,
    published=(
        Published("PSDS1", 35.3, _ON, _SOURCE),
        Published("PSDS2", 55.3, _ON, _SOURCE),
        Published("EBF1", 42.1, _ON, _SOURCE),
    ),
    read="DCASE-REPO/DESED_task at c6bcb45b, MIT",
    build=build,
    optimizer=optimizer,
    teacher=teacher,
    frames_per_vector=4,
    values={**VALUES, "batch": (12, 12, 24), "steps_per_epoch": 132, "mixup_rate": 0.5},
    options=OPTIONS,
    notes=(
        "chosen: the student with the best event-based F1 on validation; the published code chooses by "
        "intersection-based F1 of synthetic clips and F1 of weak ones",
        "chosen: mixup also mixes unlabelled clips among themselves; 132 batches an epoch draw every weak clip once",
        "chosen: 157 vectors, the last one of two frames; the published code has 156",
        "what is said of crnn_2020, but for its noise and levels, holds here too",
    ),
)
