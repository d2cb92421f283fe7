"""What goes wrong, named: every error says where, what was expected, what came, and what to do."""


class DeltaruleError(ValueError):
    """The root of every error that Deltarule raises on purpose; its message is one paragraph for a person."""


class ShapeError(DeltaruleError):
    """A layer, loss or model was given an array of a shape that it cannot take.

    `path` leads to the layer: `(2, 0)` is the first layer inside the third layer of a network.
    """

    def __init__(self, message: str, path: tuple[int, ...] = ()):
        self.message, self.path = message, path
        super().__init__(f"layer {'.'.join(map(str, path))}, {message}" if path else message)

    def inside(self, index: int) -> "ShapeError":
        """The same error, seen from the layer that holds this one at `index`."""
        return ShapeError(self.message, (index, *self.path))


class DataError(DeltaruleError):
    """The data cannot be trained on or predicted from: a column, a value, a type, or too little of it."""


class FileError(DeltaruleError):
    """A file cannot be read, written, or trusted."""


class SettingError(DeltaruleError):
    """A setting has a name or a value that does not exist."""


class DivergedError(DeltaruleError):
    """The loss became NaN or infinite; the model keeps its last good parameters."""


class ProcessError(DeltaruleError):
    """A process of a run did not come, or was lost."""
