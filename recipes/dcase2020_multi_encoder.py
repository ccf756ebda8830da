"""Sound event detection with the multi-encoder model (Boes and Van hamme, 2022), DCASE 2020 task 4.

    python recipes/dcase2020_multi_encoder.py
        makes demo soundscapes, extracts spectrograms and visual embeddings, trains a small model, tunes and scores:
        about 5 minutes on 2 cores. Event-based F1 was 46 %; where there is video 49 %, and 46 % with it ignored
        (one seed, 80 test clips).
    python recipes/dcase2020_multi_encoder.py --data my.tsv
        the paper's values on your own manifest, with VGG16: a bi-encoder transformer with random weights in training.
    python recipes/dcase2020_multi_encoder.py --data my.tsv --block conformer --training_weight 0.5 --out runs/conformer
    python recipes/dcase2020_multi_encoder.py --preset tiny --visual
        a minute's trial, audio only.

A run that was interrupted goes on when the same command is given again.
"""

from pathlib import Path

from avkeras.commands.terminal import run_detection_recipe
from avkeras.experiments.detection import SoundEventDetection

PRESETS = {
    "small": SoundEventDetection(
        out=Path("runs/detection"),
        visual=("efficientnet_lite0",),
        visual_frames=16,
        blocks=1,
        dim=64,
        key_dim=32,
        hidden_dim=128,
        filters=(16, 16, 32, 32, 64, 64, 64),
        epochs=14,
        steps_per_epoch=30,
        batch=(8, 8, 8),
        learning_rate=0.003,
        decay_steps=1000,
        decay_rate=0.3,
        teacher_decay=0.95,
        demo_clips=(240, 48, 80),
    ),
    "tiny": SoundEventDetection(
        out=Path("runs/detection_tiny"),
        visual=("efficientnet_lite0",),
        visual_frames=4,
        blocks=1,
        dim=16,
        num_heads=2,
        key_dim=8,
        hidden_dim=16,
        filters=(4, 4, 8, 8, 8, 8, 16),
        epochs=2,
        steps_per_epoch=4,
        batch=(2, 2, 4),
        teacher_decay=0.9,
        demo_clips=(24, 8, 8),
    ),
    "paper": SoundEventDetection(),
}

if __name__ == "__main__":
    run_detection_recipe(PRESETS, description=__doc__)
