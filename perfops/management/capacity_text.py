"""A capacity review as text and markdown."""

from perfops.analysis.capacity.records import Review
from perfops.management import console

# A review is made each quarter.
UNTIL_NEXT_DAYS = 92


def code_of(review: Review) -> int:
    """Return 1 where something may be full before the next review, 2 where nothing tells."""
    if review.is_near(UNTIL_NEXT_DAYS):
        return console.NOT_FINE
    return console.FINE if review.is_known else console.COULD_NOT_TELL


def lines(review: Review) -> list[str]:
    """Return the review as lines of text, what breaks first on top."""
    found = [f"Capacity of {review.database}: {review.sentence}"]
    for each in review.figures:
        found += [
            f"  {each.name}: {each.text(each.now)}",
            f"    growth: {each.growth_text}",
            f"    limit: {each.limit_text}",
            f"    full: {each.full_text(review.at)}",
        ]
    found += [f"  table {e.name}: {e.text(e.now)}; growth: {e.growth_text}" for e in review.tables]
    return found


def markdown(review: Review) -> str:
    rows = [
        f"| {each.name} | {each.text(each.now)} | {each.growth_text} | {each.limit_text} | "
        f"{each.full_text(review.at)} |"
        for each in review.figures
    ]
    tables = [
        f"| {each.name} | {each.text(each.now)} | {each.growth_text} |" for each in review.tables
    ]
    head = "| what | now | growth (95% interval) | limit | full |\n| --- | ---: | --- | --- | --- |"
    second = "| table, with its indexes | now | growth (95% interval) |\n| --- | ---: | --- |"
    parts = [f"## Capacity of {review.database}", review.sentence, "\n".join([head, *rows])]
    return "\n\n".join([*parts, *(["\n".join([second, *tables])] if tables else [])]) + "\n"
