"""An embedder of pictures, applied to all of a picture and to parts of it, whose embeddings lie side by side."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

from avkeras.errors import AvkerasError
from avkeras.features.embedders import load_embedder
from avkeras.features.saved_model import export_embedder

GRIDS = (1, 2, 3)  # all of it, quarters, ninths
REGIONS = sum(side * side for side in GRIDS)


def write_regions(directory: str | Path, *, embedder: str | Path, overwrite: bool = False) -> Path:
    """Write an embedder of 14 regions of each picture: all of it, 2 x 2 and 3 x 3 equal parts, row by row.

    For `avkeras train tagging --system two_stream --options regions=14`, whose paper takes proposals of a detector of
    objects: a grid needs none.

    Args:
        directory: the SavedModel's folder.
        embedder: of pictures of a fixed size: a name, a TF Hub handle or a folder. Each part is scaled to that size.
        overwrite: replace a folder that is there.

    Returns:
        The folder.

    Raises:
        AvkerasError: the embedder cannot be had, or takes pictures of any size.

    Example:
        >>> write_regions("parts", embedder="picture_stand_in")
        PosixPath('parts')
        >>> load_embedder("parts").spec.dim == 14 * 256
        True
    """
    import tensorflow as tf

    base = load_embedder(embedder, modality="video")
    if base.spec.size is None:
        raise AvkerasError(f"{base.spec.name}: takes pictures of any size; one that takes a fixed size is wanted")
    height, width = base.spec.size

    def embed(pictures):
        parts = []
        for side in GRIDS:
            rows, columns = ([round(place * length / side) for place in range(side + 1)] for length in base.spec.size)
            for top, bottom in itertools.pairwise(rows):
                for left, right in itertools.pairwise(columns):
                    part = pictures[:, top:bottom, left:right]
                    parts.append(base.function(part if side == 1 else tf.image.resize(part, (height, width))))
        return tf.concat(parts, axis=1)

    spec = dataclasses.replace(
        base.spec,
        name=f"{base.spec.name}_regions",
        dim=REGIONS * base.spec.dim,
        handle=None,
        output=None,
        note=f"{base.spec.name} of {REGIONS} regions of each picture",
    )
    return export_embedder(embed, directory, spec=spec, tracked=base.module, overwrite=overwrite)
