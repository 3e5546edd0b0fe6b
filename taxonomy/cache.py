"""Which answers of the taxonomy are cached, under which keys, and what invalidates them."""

from urllib.parse import quote

from midst.kernel.cache import CacheRegion
from midst.kernel.cache.signals import Invalidates
from taxonomy.models import Epoch, EpochStage, Mask, Stage

_TTL_S = 3600

MASKS = CacheRegion("masks", _TTL_S, key_prefixes=("masks", "mask"), file=__file__)
EPOCHS = CacheRegion("epochs", _TTL_S, key_prefixes=("epochs", "epoch"), file=__file__)
STAGES = CacheRegion("stages", _TTL_S, key_prefixes=("stages", "stage"), file=__file__)

# There are few rows and they change rarely, so any change invalidates the whole region.
# Epochs show their stages, and stages are listed by epoch.
INVALIDATES = {
    Mask: Invalidates(regions=(MASKS,)),
    **dict.fromkeys((Epoch, EpochStage, Stage), Invalidates(regions=(EPOCHS, STAGES))),
}


def masks_key(*, offset: int, limit: int, ontology: str, tag: str, search: str) -> str:
    return f"masks:list:{offset}:{limit}:{ontology}:{_quoted(tag)}:{_quoted(search)}"


def mask_key(slug: str) -> str:
    return f"mask:{slug}"


def epochs_key(*, offset: int, limit: int) -> str:
    return f"epochs:list:{offset}:{limit}"


def epoch_key(slug: str) -> str:
    return f"epoch:{slug}"


def stages_key(*, offset: int, limit: int, epoch: str) -> str:
    return f"stages:list:{offset}:{limit}:{_quoted(epoch)}"


def stage_key(slug: str) -> str:
    return f"stage:{slug}"


def _quoted(text: str) -> str:
    """Quote a client's text, so that a colon in it can't make two keys equal."""
    return quote(text, safe="")
