from . import (
    data as data,
    datasets as datasets,
    errors as errors,
    evaluation as evaluation,
    experiments as experiments,
    features as features,
    layers as layers,
    media as media,
    models as models,
    serving as serving,
    systems as systems,
    training as training,
)
from .serving import export as export, load as load
