"""How long advice may take in all."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Clock:
    """Over when ``seconds`` have passed since it was made."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return self.left_s <= 0

    @property
    def left_s(self) -> float:
        return self.seconds - (time.monotonic() - self.began)
