"""What a notebook shows: a class names the function that writes it as HTML, which is read when first asked for."""

from importlib import import_module
from typing import ClassVar


class Displayed:
    """Something that Jupyter and VS Code show as HTML.

    The name keeps imports running downwards: a layer knows where its page is written, and imports nothing of it.

    Attributes:
        shown_by: the function's name inside the package, such as "inspect.display.of_network"; it takes the
            object, and returns HTML that needs neither a script nor a network.

    >>> from deltarule.layers import Dense
    >>> "Dense(3)" in Dense(3)._repr_html_()
    True
    """

    shown_by: ClassVar[str]

    def _repr_html_(self) -> str:
        module, _, function = self.shown_by.rpartition(".")
        return getattr(import_module(f"deltarule.{module}"), function)(self)
