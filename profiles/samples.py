"""Words for development data, and functions that make sample values from them.

The functions take a random generator, so the same seed makes the same values.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from random import Random

FIRST_NAMES = (
    "Ada Aiko Alan Amara Anders Aoife Arjun Astrid Barbara Bjarne Carmen Chen Chidi Claude Dana "
    "Diego Donald Edsger Elif Emeka Esther Eva Fatima Frances Grace Guido Hana Hedy Hiroshi Ida "
    "Ines Ingrid Jamal Jean Joan Jonas José Karen Katherine Kofi Lars Leila Linus Lucía Mae "
    "Magda Margaret Mateo Mei Mina Nadia Niklaus Nia Noor Olga Omar Priya Radia Rasmus Ravi "
    "Rosa Sadia Sana Sofia Stephen Sunita Tariq Tim Tove Uma Vera Viktor Wanjiru Whitfield Xin "
    "Yara Yusuf Zoë "
).split()
LAST_NAMES = (
    "Abbott Adeyemi Allen Andersson Baker Bell Bianchi Borg Cerf Chandra Cohen Costa Dahl "
    "Dijkstra Diaz Eriksen Estrin Fischer Forsythe Garcia Goldberg Gomez Gupta Hamilton Hansen "
    "Hopper Hussein Ito Ivanova Johnson Kahn Kaur Keller Kim Knuth Kowalski Lamport Larsen Lee "
    "Liskov Lopez Lovelace Mbeki McCarthy Meyer Milner Moreau Nakamura Nguyen Novak Nowak "
    "O'Brien Okafor Olsen Patel Perlis Perlman Petrov Popescu Ritchie Rossi Sato Schmidt Shaw "
    "Silva Singh Sutherland Tanaka Thompson Torvalds Turing Vasquez Wang Weber Wilson Wirth "
    "Yamada Yilmaz Zhang Zuse "
).split()
LEVELS = ("", "", "Junior", "Senior", "Senior", "Staff", "Principal", "Lead", "Head of")
ROLES = (
    "Software Engineer", "Data Scientist", "Product Manager", "Designer", "Researcher",
    "Site Reliability Engineer", "Technical Writer", "Security Engineer", "Data Engineer",
    "Engineering Manager", "Solutions Architect", "Quality Engineer", "Developer Advocate",
)  # fmt: skip
FIELDS = (
    "health care", "public transport", "finance", "education", "climate", "logistics", "energy",
    "media", "developer tools", "government", "robotics", "retail", "agriculture", "space",
)  # fmt: skip
INTERESTS = (
    "analysis", "metrics", "impact", "research", "vision", "integration", "observability",
    "roadmap", "risk", "communication", "documentation", "craft", "design", "system", "user",
    "experiment", "innovation", "stakeholder", "collaboration", "delivery", "release",
    "reliability", "api", "governance", "quality", "testing", "databases", "compilers",
    "accessibility", "typography", "cryptography", "performance", "mentoring", "open source",
)  # fmt: skip
COMPANIES = (
    "Analytical Engines", "Northwind", "Harbour & Sons", "Blue Lantern", "Cartesian", "Fieldnotes",
    "Public Works", "Ostrich Labs", "Paper Boat", "Quiet Machines", "Riverbed", "Second Draft",
    "Tall Ships", "Understory", "Vantage", "Wayfinder", "Open Archive", "City Hospital",
)  # fmt: skip
DEGREES = ("BSc", "BA", "MSc", "MA", "PhD", "Diploma", "")
ADJECTIVES = (
    "Quiet", "Shared", "Open", "Slow", "Second", "Little", "Common", "Steady", "Distant", "New",
)  # fmt: skip
THINGS = (
    "atlas", "ledger", "workshop", "index", "observatory", "handbook", "pipeline", "archive",
    "migration", "interface", "survey", "garden", "protocol", "library", "dashboard", "kiln",
)  # fmt: skip
LANGUAGES = ("de", "fr", "es", "pt", "it", "nl", "sv", "pl", "tr", "ar", "hi", "zh", "ja", "ko")
CITIES = (
    "Lagos", "Berlin", "Lisbon", "Nairobi", "São Paulo", "Toronto", "Mumbai", "Kraków", "Oslo",
    "Osaka", "Seoul", "Mexico City", "Istanbul", "Lyon", "Melbourne", "Chicago", "Accra", "Turin",
    "Utrecht", "Gothenburg", "Tallinn", "Bogotá", "Hanoi", "Cape Town", "Dublin", "Prague",
)  # fmt: skip
SENTENCES = (
    "Turned a weekly release into a daily one without a rise in defects.",
    "Leads by writing things down, and by deleting what is not needed.",
    "Cut the cost of a query plan by two orders of magnitude with one index.",
    "Built the first measurement of what customers wait for.",
    "Taught three teams to run their own post-mortems.",
    "Moved a monolith's slowest table to partitions with no downtime.",
    "Wrote the handbook that new colleagues still start with.",
    "Looks for the smallest change that makes the next one easy.",
    "Spent two years on accessibility, and never stopped.",
    "Mediates between people who are both right.",
    "Keeps a log of decisions, with the options that were not taken.",
    "Brought a forgotten archive back into daily use.",
)


@cache
def ascii_slug(name: str) -> str:
    """Return ``name`` in the letters of a slug; same names come again and again."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join("".join(c if c.isalnum() else " " for c in plain).split())


def pick[Item](random: Random, items: Sequence[Item]) -> Item:
    """Return one of ``items``; three times as fast as ``random.choice``."""
    return items[int(random.random() * len(items))]


def role(random: Random) -> str:
    return pick(random, ROLES)


def company(random: Random) -> str:
    return pick(random, COMPANIES)


def city(random: Random) -> str:
    return pick(random, CITIES)


def sentence(random: Random) -> str:
    return pick(random, SENTENCES)


def university(random: Random) -> str:
    return f"University of {pick(random, CITIES)}"


def degree(random: Random) -> str:
    return pick(random, DEGREES)


def field(random: Random) -> str:
    return pick(random, FIELDS)


def project(random: Random) -> str:
    return f"{pick(random, ADJECTIVES)} {pick(random, THINGS)}"


def interest(random: Random) -> str:
    return pick(random, INTERESTS)


def level(random: Random) -> int:
    return 1 + int(random.random() * 5)


def publication(random: Random) -> str:
    return f"On {pick(random, INTERESTS)} in {pick(random, FIELDS)}"


def prize(random: Random) -> str:
    return f"Prize for {pick(random, INTERESTS)}"


def certificate(random: Random) -> str:
    return f"Certified in {pick(random, INTERESTS)}"


def platform(random: Random) -> str:
    return "Mastodon"


def social_url(random: Random) -> str:
    return f"https://social.example/@{int(random.random() * 10**9)}"
