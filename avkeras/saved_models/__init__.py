"""SavedModels that are run by TensorFlow's C library alone, whose Python takes seconds to import."""
