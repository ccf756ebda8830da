from . import distribute as distribute
from .adam import Adam as Adam
from .callbacks import (
    BestEpoch as BestEpoch,
    LastEpochs as LastEpochs,
    MetricsFile as MetricsFile,
    StopWhenWorse as StopWhenWorse,
    should_stop as should_stop,
)
from .distribute import LossScaleOptimizer as LossScaleOptimizer
from .many_seeds import train_seeds as train_seeds
from .mean_teacher import MeanTeacher as MeanTeacher
from .ramp_up import RampUp as RampUp, ramp_up as ramp_up
from .rectified_adam import RectifiedAdam as RectifiedAdam
from .run import epoch_ensemble as epoch_ensemble, train as train
