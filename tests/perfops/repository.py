"""git, as somebody who needs no settings of this machine."""

import subprocess


def git(folder, *words):
    """Run git in ``folder`` and return what it says."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
