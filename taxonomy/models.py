"""Masks, epochs and stages: small, stable, read on every request."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from midst.kernel.cache.signals import InvalidatingQuerySet


def check_weights(weights: object) -> None:
    """Raise ``ValidationError`` unless ``weights`` is {tag: positive number}."""
    if not isinstance(weights, dict) or not all(
        isinstance(weight, int | float) and not isinstance(weight, bool) and weight > 0
        for weight in weights.values()
    ):
        raise ValidationError("Give an object of tags with positive numbers.")


def _tags(**options: object) -> ArrayField:  # type: ignore[type-arg]
    return ArrayField(models.CharField(max_length=50), default=list, blank=True, **options)  # type: ignore[arg-type]


class Mask(models.Model):
    """A named point of view that selects, weighs and redacts a profile."""

    class Ontology(models.TextChoices):
        COGNITIVE = "cognitive", "cognitive"
        EXPRESSIVE = "expressive", "expressive"
        OPERATIONAL = "operational", "operational"

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    ontology = models.CharField(max_length=20, choices=Ontology)
    position = models.PositiveSmallIntegerField(unique=True)
    functional_scope = models.CharField(max_length=200)
    tone = models.CharField(max_length=50)
    rhetorical_mode = models.CharField(max_length=50)
    compression_ratio = models.DecimalField(
        max_digits=3, decimal_places=2, help_text="Share of the material that is kept: 0 < r <= 1."
    )
    contexts = _tags()
    triggers = _tags()
    include_tags = _tags()
    exclude_tags = _tags()
    priority_weights = models.JSONField(default=dict, blank=True, validators=[check_weights])
    private_tags = _tags(help_text="Redaction: what bears one of these is left out.")
    excluded_entities = _tags(help_text="Redaction: kinds of entry that are left out.")
    obfuscate_dates = models.BooleanField(default=False, help_text="Redaction: only the year.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ontology__in=["cognitive", "expressive", "operational"]),
                name="taxonomy_mask_ontology_known",
            ),
            models.CheckConstraint(
                condition=Q(compression_ratio__gt=0, compression_ratio__lte=1),
                name="taxonomy_mask_compression_ratio_in_range",
            ),
        ]
        indexes = [
            models.Index(fields=["ontology", "position"], name="taxonomy_mask_ontology"),
            GinIndex(fields=["include_tags"], name="taxonomy_mask_include_tags"),
        ]

    def __str__(self) -> str:
        return self.name


class Stage(models.Model):
    """A kind of work."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=100)
    summary = models.TextField()
    tags = _tags()

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.title


class Epoch(models.Model):
    """A time of a working life."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    summary = models.TextField()
    position = models.PositiveSmallIntegerField()
    stages = models.ManyToManyField(Stage, through="EpochStage", related_name="epochs")

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            # Two epochs can change places in one transaction.
            models.UniqueConstraint(
                fields=["position"],
                name="taxonomy_epoch_position_unique",
                deferrable=models.Deferrable.DEFERRED,
            )
        ]

    def __str__(self) -> str:
        return self.name


class EpochStage(models.Model):
    """A stage in its place in an epoch."""

    epoch = models.ForeignKey(Epoch, models.CASCADE, db_index=False)
    stage = models.ForeignKey(Stage, models.PROTECT)
    position = models.PositiveSmallIntegerField()

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        ordering = ["epoch", "position"]
        constraints = [
            models.UniqueConstraint(fields=["epoch", "stage"], name="taxonomy_epochstage_once"),
            models.UniqueConstraint(
                fields=["epoch", "position"],
                name="taxonomy_epochstage_position_unique",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.epoch_id}/{self.position}"
