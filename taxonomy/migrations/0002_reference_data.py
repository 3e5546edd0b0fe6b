"""The reference data: masks, epochs and stages, on every install."""

from django.db import migrations

# slug, ontology, functional scope, tone, rhetorical mode, ratio,
# contexts, triggers, include tags, exclude tags, weights
MASKS = [
    (
        "analyst",
        "cognitive",
        "precision reasoning, decomposition, structure",
        "neutral",
        "deductive",
        "0.55",
        "analysis, research, validation",
        "metric, benchmark",
        "analysis, metrics, impact",
        "speculation",
        "impact 2, metrics 2",
    ),
    (
        "synthesist",
        "cognitive",
        "pattern merging and integrative creativity",
        "expansive",
        "comparative",
        "0.65",
        "strategy, research, exploration",
        "pattern, signal",
        "research, vision, integration",
        "narrow",
        "vision 2",
    ),
    (
        "observer",
        "cognitive",
        "detached perception and data intake",
        "measured",
        "expository",
        "0.6",
        "audit, discovery",
        "anomaly, trend",
        "observability, research",
        "",
        "reliability 1",
    ),
    (
        "strategist",
        "cognitive",
        "long-horizon planning and prioritization",
        "persuasive",
        "comparative",
        "0.65",
        "roadmap, product, portfolio",
        "tradeoff, priority",
        "roadmap, vision",
        "",
        "vision 2, priority 2",
    ),
    (
        "speculator",
        "cognitive",
        "scenario projection and hypothesis generation",
        "exploratory",
        "hypothetical",
        "0.7",
        "futures, exploration",
        "what-if, risk",
        "hypothesis, risk",
        "certainty",
        "risk 1",
    ),
    (
        "interpreter",
        "expressive",
        "translation across media and audiences",
        "clarifying",
        "dialogic",
        "0.6",
        "communication, handoff",
        "bridge, translate",
        "communication, documentation",
        "",
        "clarity 2",
    ),
    (
        "artisan",
        "expressive",
        "craft-level creation and refinement",
        "precise",
        "narrative",
        "0.55",
        "craft, build",
        "prototype, artifact",
        "craft, artifact",
        "",
        "quality 2",
    ),
    (
        "architect",
        "expressive",
        "systems design and trade-off narration",
        "assertive",
        "structured",
        "0.6",
        "design, systems, architecture",
        "blueprint, diagram",
        "design, system",
        "ad-hoc",
        "reliability 3, scalability 3",
    ),
    (
        "narrator",
        "expressive",
        "story-first framing with outcomes and emotion",
        "warm",
        "story",
        "0.7",
        "story, case-study",
        "impact, user-story",
        "impact, user",
        "",
        "impact 2",
    ),
    (
        "provoker",
        "expressive",
        "disruption and tension-generation",
        "direct",
        "critical",
        "0.5",
        "innovation, retrospective",
        "anti-pattern, contrarian",
        "experiment, innovation",
        "status-quo",
        "innovation 2",
    ),
    (
        "mediator",
        "expressive",
        "alignment and stakeholder framing",
        "empathetic",
        "dialogic",
        "0.6",
        "alignment, collaboration",
        "consensus, handoff",
        "stakeholder, collaboration",
        "",
        "collaboration 2",
    ),
    (
        "executor",
        "operational",
        "action, throughput, closure",
        "decisive",
        "procedural",
        "0.5",
        "delivery, launch",
        "deadline, rollout",
        "delivery, release",
        "blocked",
        "delivery 2, reliability 1",
    ),
    (
        "steward",
        "operational",
        "maintenance, governance, oversight",
        "measured",
        "forensic",
        "0.5",
        "maintenance, governance",
        "runbook, audit",
        "reliability, observability",
        "",
        "reliability 3",
    ),
    (
        "integrator",
        "operational",
        "cross-team assembly and interoperability",
        "technical",
        "expository",
        "0.55",
        "integration, platform",
        "contract, interface",
        "integration, api",
        "silo",
        "integration 2, api 1",
    ),
    (
        "custodian",
        "operational",
        "record-keeping, curation, historical fidelity",
        "measured",
        "forensic",
        "0.5",
        "operations, compliance",
        "audit, incident",
        "reliability, governance",
        "",
        "reliability 3",
    ),
    (
        "calibrator",
        "operational",
        "evaluation, metrics, standards alignment",
        "precise",
        "evaluative",
        "0.5",
        "quality, testing",
        "benchmark, defect",
        "quality, testing",
        "speculative",
        "quality 3",
    ),
]

# slug, summary, stages in order
EPOCHS = [
    ("initiation", "Entry and foundational skill building", "inquiry, design"),
    ("expansion", "Diversification and scope scaling", "construction, negotiation"),
    ("consolidation", "Integration and coherence building", "calibration, reflection"),
    ("divergence", "Branching experimentation and exploration", "inquiry, construction"),
    ("mastery", "System-level thinking and innovation", "design, transmission"),
    ("reinvention", "Reboot and reframing for new arcs", "inquiry, construction"),
    (
        "transmission",
        "Teaching, sharing, and institutionalizing knowledge",
        "transmission, archival",
    ),
    ("legacy", "Long-term impact and codification", "archival, reflection"),
]

# slug, summary, tags
STAGES = [
    ("inquiry", "Research, exploration, question formation", "research, exploration"),
    ("design", "Ideation, architectural thinking, structuring", "design, architecture"),
    ("construction", "Production and implementation", "build, delivery"),
    ("calibration", "Testing, refinement, verification", "testing, quality"),
    ("transmission", "Publishing and presentation", "communication, docs"),
    ("reflection", "Retrospective analysis, synthesis", "retro, synthesis"),
    ("negotiation", "Alignment and stakeholder engagement", "stakeholder, collaboration"),
    ("archival", "Documentation and record-setting", "documentation, records"),
]


def words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def weights(text):
    return {tag: float(weight) for tag, weight in (word.split() for word in words(text))}


def load(apps, schema_editor):
    Mask = apps.get_model("taxonomy", "Mask")
    for position, row in enumerate(MASKS, 1):
        slug, ontology, scope, tone, mode, ratio, contexts, triggers, include, exclude, weight = row
        Mask.objects.create(
            slug=slug,
            name=slug.title(),
            ontology=ontology,
            position=position,
            functional_scope=scope,
            tone=tone,
            rhetorical_mode=mode,
            compression_ratio=ratio,
            contexts=words(contexts),
            triggers=words(triggers),
            include_tags=words(include),
            exclude_tags=words(exclude),
            priority_weights=weights(weight),
        )
    Stage = apps.get_model("taxonomy", "Stage")
    stages = {
        slug: Stage.objects.create(slug=slug, title=slug.title(), summary=summary, tags=words(tags))
        for slug, summary, tags in STAGES
    }
    Epoch = apps.get_model("taxonomy", "Epoch")
    EpochStage = apps.get_model("taxonomy", "EpochStage")
    for position, (slug, summary, members) in enumerate(EPOCHS, 1):
        epoch = Epoch.objects.create(
            slug=slug, name=slug.title(), summary=summary, position=position
        )
        for place, member in enumerate(words(members), 1):
            EpochStage.objects.create(epoch=epoch, stage=stages[member], position=place)


class Migration(migrations.Migration):
    dependencies = [("taxonomy", "0001_initial")]
    # Nothing is taken away backwards: the tables go in the step before.
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
