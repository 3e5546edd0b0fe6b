"""What of the taxonomy is cached, under which key, for how long, and what makes it void."""

from urllib.parse import quote

from midst.kernel.cache import Kind
from midst.kernel.invalidation import Voids
from taxonomy.models import Epoch, EpochStage, Mask, Stage

_TTL_S = 3600

MASKS = Kind("masks", _TTL_S, families=("masks", "mask"))
EPOCHS = Kind("epochs", _TTL_S, families=("epochs", "epoch"))
STAGES = Kind("stages", _TTL_S, families=("stages", "stage"))

# There are few of them, and they change rarely: any change makes the whole kind void.
# Epochs show their stages, and stages are listed by epoch.
INVALIDATES = {
    Mask: Voids(kinds=(MASKS,)),
    **dict.fromkeys((Epoch, EpochStage, Stage), Voids(kinds=(EPOCHS, STAGES))),
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
