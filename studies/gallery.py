"""The gallery: of each study its claim, its picture, its claims with their figures, and its table, in Markdown.

deltarule study all --gallery docs/gallery.md
"""

import os
from collections.abc import Iterable
from pathlib import Path

from study import Outcome

HEAD = """# The claims of the theory

Each is a study: a file that measures it, holds it against its figures over several seeds, and draws it. The
figures are those of one run of

    deltarule study all --gallery docs/gallery.md
"""


def write(outcomes: Iterable[Outcome], path: Path) -> None:
    """Writes the page; its links lead from where it is to the pictures and to the studies beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEAD, *(section(outcome, path.parent) for outcome in outcomes)]))


def section(outcome: Outcome, folder: Path) -> str:
    """One study's part of the page."""
    claim, _, text = outcome.text.partition("\n")
    text = text.replace(f"    python studies/{outcome.name}.py\n", "").strip("\n")
    picture = Path(os.path.relpath(outcome.picture, folder)).as_posix()
    claims = "\n".join(f"- {'' if holds else '**does not hold:** '}{said}" for holds, said in outcome.claims)
    header, *rows = outcome.table.written()
    rows = [escaped(header), ["---"] * len(header), *map(escaped, rows)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""## {outcome.name.replace("_", " ")}

**{claim}**

![{claim}]({picture})

{text}

{claims}

<details><summary>table</summary>

{table}

</details>
"""


def escaped(cells: Iterable[str]) -> list[str]:
    """Cells in which a bar does not end a cell."""
    return [cell.replace("|", "\\|") for cell in cells]
