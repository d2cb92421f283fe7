"""Runs written where others look at them: TensorBoard, MLflow, Weights & Biases, Trackio.

A logger is a callback. It writes each epoch's figures, and at the start the network, loss, optimizer and settings:

    with TensorBoard("runs/a", model, epochs=20) as log:
        model.fit(x, y, epochs=20, callbacks=[log])

None of them is imported, or needed, before its logger is made.
"""

from deltarule.interop.loggers.logger import Logger
from deltarule.interop.loggers.mlflow import MLflow
from deltarule.interop.loggers.tensorboard import TensorBoard
from deltarule.interop.loggers.trackio import Trackio
from deltarule.interop.loggers.wandb import WandB

__all__ = ["Logger", "MLflow", "TensorBoard", "Trackio", "WandB"]
