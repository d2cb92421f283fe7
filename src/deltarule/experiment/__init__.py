"""The main job: data in, a trained model and its run folder out; and that model put to work.

`run` and `use` are what all jobs share; `table`, `series`, `images` and `language` say how their data become
arrays, and `network` what is trained. `outcome` and `worst` say how well, and `report` makes the pages.
"""

from deltarule.experiment.run import Result, train
from deltarule.experiment.use import evaluate, predict, sample

__all__ = ["Result", "evaluate", "predict", "sample", "train"]
