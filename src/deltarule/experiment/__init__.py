"""The main job: a table or images in, a trained model and its run folder out; and that model put to work.

`run` is what all jobs share; `table` and `images` say how their data become arrays, and `network` what is trained.
"""

from deltarule.experiment.run import Result, evaluate, predict, train

__all__ = ["Result", "evaluate", "predict", "train"]
