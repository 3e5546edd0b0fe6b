"""The table of settings in docs/perfops-in-your-project.md, made from ``perfops/conf.py``.

As a program (``python tests/perfops/adoption/settings_table.py``) it writes the table there.
"""

import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "perfops-in-your-project.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def rows() -> list[tuple[str, str, str]]:
    """Return name, default and comment of each setting; a comment speaks for those below it too."""
    from perfops.conf import Conf

    found, comment = [], ""
    for line in map(str.strip, inspect.getsource(Conf).splitlines()):
        if line.startswith("#"):
            comment += f" {line.removeprefix('#').strip()}"
        elif field := re.match(r"([A-Z0-9_]+): ", line):
            found.append((field[1], _text(getattr(Conf(), field[1])), comment.strip()))
            comment = ""
    return found


def _text(value: object) -> str:
    if isinstance(value, Path):
        value = str(value)
    return f"{value:_}" if isinstance(value, int) and not isinstance(value, bool) else repr(value)


def table() -> str:
    lines = ["| key | default | |\n", "|---|---|---|\n"]
    lines += [f"| `{name}` | `{default}` | {comment} |\n" for name, default, comment in rows()]
    return "".join(lines)


def written() -> str:
    """Return the table as the document has it."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    text = DOCUMENT.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{table()}{END}{after}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    write()
