"""What of the taxonomy is cached, for how long, and which changes make it void."""

from urllib.parse import quote

from midst.kernel.cache import Kind
from taxonomy.models import Epoch, EpochStage, Mask, Stage

_TTL_S = 3600

MASKS = Kind("masks", _TTL_S)
EPOCHS = Kind("epochs", _TTL_S)
STAGES = Kind("stages", _TTL_S)

# The groups that a change of a model makes void. Epochs show their stages.
INVALIDATES = {
    Mask: ("masks",),
    Epoch: ("epochs", "stages"),
    EpochStage: ("epochs", "stages"),
    Stage: ("epochs", "stages"),
}


def masks_key(*, offset: int, limit: int, ontology: str, tag: str, search: str) -> str:
    return f"masks:list:{offset}:{limit}:{ontology}:{_part(tag)}:{_part(search)}"


def mask_key(slug: str) -> str:
    return f"mask:{slug}"


def epochs_key(*, offset: int, limit: int) -> str:
    return f"epochs:list:{offset}:{limit}"


def epoch_key(slug: str) -> str:
    return f"epoch:{slug}"


def stages_key(*, offset: int, limit: int, epoch: str) -> str:
    return f"stages:list:{offset}:{limit}:{_part(epoch)}"


def stage_key(slug: str) -> str:
    return f"stage:{slug}"


def _part(text: str) -> str:
    """A colon in a client's text must not make two keys one."""
    return quote(text, safe="")
