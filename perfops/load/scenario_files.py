"""Writing the files of a scenario together: all of them, or none."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def write_all(folder: Path, files: dict[str, Any]) -> None:
    """Write ``files`` (JSON by name), or none of them where one can't be written.

    They are renamed last and in this order, so that no reader sees half of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = {name: _content(folder / name) for name in files}
    written: list[str] = []
    with TemporaryDirectory(dir=folder, prefix=".k6_scenario-") as drafts:
        for name, content in files.items():
            (Path(drafts) / name).write_text(json.dumps(content, indent=2) + "\n")
        try:
            for name in files:
                (Path(drafts) / name).replace(folder / name)
                written.append(name)
        except OSError:
            for name in written:
                _restore(folder / name, before[name])
            raise


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _restore(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(content)
