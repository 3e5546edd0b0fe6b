"""What is left out of a look at a page, and what never is."""

import pytest

from tests.browser.axe import Eyes

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PALE, LOOK = "color: #ccc; background: #fff", ("light", 1440)


def content(*paragraphs):
    return f"<html lang=en><title>A</title><main>{''.join(paragraphs)}</main></html>"


def test_a_form_is_looked_at_once_in_each_theme_and_a_new_one_always(chromium):
    page, eyes = chromium.new_page(), Eyes()
    wrong = []
    for look, paragraphs in (
        (LOOK, ["<p class=good>Read me</p>"]),
        (LOOK, ["<p class=good>Read me 2</p>", f"<p style='{PALE}'>Not me</p>"]),
        (LOOK, [f"<p style='{PALE}'>Not me</p>"]),
        (("dark", 1440), [f"<p style='{PALE}'>Not me</p>"]),
    ):
        page.set_content(content(*paragraphs))
        eyes.open(page)
        assert eyes.whole(page) == []
        wrong.append([each.partition(":")[0] for each in eyes.parts(page, look)])
    assert wrong == [[], ["color-contrast"], [], ["color-contrast"]]
    assert not eyes.has_new(page, LOOK)
    assert eyes.has_new(page, ("light", 360))
    page.close()
