"""The replicas of a model on several devices: how batches are shared out among them and what they agree on."""

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    import tensorflow as tf

# Far apart, so that no generator with a seed near another's meets it on another replica.
_NOISE_STRIDE = 1_000_003


class Replicas:
    """What the replicas of a compiled model do together; see `avkeras.training.distribute`.

    Args:
        model: built and compiled in the scope of a strategy.
        batches: global batches, one of which builds the metrics.

    Attributes:
        start: gives every replica the state of the first one, and noise of its own.
        train: trains on the parts of one batch.
        test: scores the parts of one batch.
        average: makes the moving statistics of batch normalisation those of all replicas.

    Example:
        >>> import tensorflow as tf
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> batches = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones((4, 1))))
        >>> Replicas(model, batches).count
        1
    """

    def __init__(self, model: keras.Model, batches: "tf.data.Dataset") -> None:
        import tensorflow as tf

        self.strategy = model.distribute_strategy
        with self.strategy.scope():  # a traced function of several replicas cannot create variables
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
            for metric in model.metrics:
                if not getattr(metric, "built", True):
                    x, y, *_ = next(iter(batches))
                    metric.build(y, model(x, training=False))
        self.model = model
        self.count = self.strategy.num_replicas_in_sync
        run = self.strategy.run

        def test(batch):
            # A part may be empty: no mean can be taken of it.
            size = tf.shape(tf.nest.flatten(batch)[0])[0]
            tf.cond(size > 0, lambda: (model.test_step(batch), True)[1], lambda: False)

        def total(value):  # a tensor of the replica's own, not one from outside
            return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(value))

        def traced(function):
            return tf.function(tf.autograph.experimental.do_not_convert(function), reduce_retracing=True)

        self.train = traced(lambda batch: run(lambda data: (model.train_step(data), None)[1], args=(batch,)))
        self.test = traced(lambda batch: run(test, args=(batch,)))
        self.start = traced(lambda: run(self._start))
        self.average = traced(lambda: run(self._average))
        self._sum = traced(lambda value: run(total, args=(value,)))

    def share(self, batches: "tf.data.Dataset", *, even: bool) -> "tf.distribute.DistributedDataset":
        """Returns the parts of this worker's replicas, every n-th row of a batch each; `even`: all of one size."""
        import tensorflow as tf

        def part(batch, index):
            def rows(tensor):
                size = tf.shape(tensor)[0]
                if even:
                    message = f"batches must be a multiple of the {self.count} replicas"
                    check = tf.debugging.assert_equal(size % self.count, 0, message=message)
                    with tf.control_dependencies([check]):
                        tensor = tf.identity(tensor)
                rows = tensor[index :: self.count]
                if even and tensor.shape[0] is not None:
                    rows.set_shape([tensor.shape[0] // self.count, *tensor.shape[1:]])
                return rows

            return tf.nest.map_structure(rows, batch)

        def of_worker(context):
            local = self.count // context.num_input_pipelines
            first = local * context.input_pipeline_id

            def parts(*batch):
                batch = batch if len(batch) > 1 else batch[0]
                indices = tf.data.Dataset.range(first, first + local, output_type=tf.int32)
                return indices.map(lambda index: part(batch, index))

            return batches.flat_map(parts)

        return self.strategy.distribute_datasets_from_function(of_worker)

    def any(self, flag: bool) -> bool:
        """Returns whether a flag is set on any worker."""
        import tensorflow as tf

        total = self.strategy.experimental_local_results(self._sum(tf.constant(int(flag))))[0]
        return bool(total > 0)

    def _start(self):
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        index = replica.replica_id_in_sync_group
        random_states = {id(variable) for variable in self.model.variables} - {id(w) for w in self.model.weights}
        for layer in self.model._flatten_layers():
            if getattr(layer, "one_draw_per_batch", False):  # of the global batch, whatever part of it a replica has
                random_states.discard(id(layer.seed_generator.state))
        for variable in [*self.model.variables, *self.model.optimizer.variables]:
            value = tf.convert_to_tensor(variable)
            value = replica.all_reduce("SUM", tf.where(tf.equal(index, 0), value, tf.zeros_like(value)))
            if id(variable) in random_states:
                value += tf.cast(tf.stack([index * _NOISE_STRIDE, 0]), value.dtype)  # a seed and a counter
            variable.assign(value)

    def _average(self):
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        for variable in self.model.non_trainable_weights:
            if keras.backend.is_float_dtype(variable.dtype):
                variable.assign(replica.all_reduce("MEAN", tf.identity(tf.convert_to_tensor(variable))))
