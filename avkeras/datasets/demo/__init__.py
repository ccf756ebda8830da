"""Demo data: audiovisual soundscapes with the class names of DCASE 2017 and 2020 task 4, made from a seed."""

from avkeras.datasets.demo.make import CLIPS, make_demo

__all__ = ["CLIPS", "make_demo"]
