"""axe-core on a page that is open: all of its rules on the whole page, and those of looks on the
parts whose form was not looked at before.

Colour contrast and the size of targets are three quarters of axe's time, and most of a page is
made like the one before: the header, the navigation, the hundredth row of a table. The form of an
element is its tag, id, classes and state, and those of what it is in, numbers left out.
"""

from axe_playwright_python.sync_playwright import Axe

# What a theme can change, and what a width can; all other rules are asked once a page.
OF_THEMES = ("color-contrast", "link-in-text-block")
OF_WIDTHS = ("scrollable-region-focusable", "target-size")
SERIOUS = ("serious", "critical")
# Preloading asks the server for style sheets by addresses that it has not. The label of Django's
# search field is a picture with a text: that will do.
ASK = f"""async (where, rules) => {{
  const options = {{ preload: false, resultTypes: ["violations"], rules }};
  options.rules["label-title-only"] = {{ enabled: false }};
  const found = await axe.run(where, options);
  return found.violations.filter((each) => {list(SERIOUS)}.includes(each.impact)).map((each) =>
    `${{each.id}}: ` + each.nodes.slice(0, 3).map((node) => node.html.slice(0, 150)).join(" | "));
}}"""
WHOLE = f"""() => ({ASK})(document,
  Object.fromEntries({[*OF_THEMES, *OF_WIDTHS]}.map((each) => [each, {{ enabled: false }}])))"""
# The page's elements that say or do something, or scroll: {hash of the form: the first of it}.
FORMS = """() => {
  const forms = new Map([[document.documentElement, ""]]), found = new Map();
  const plain = (text) => text.replace(/\\d+(\\.\\d+)?/g, "9");
  // Of no style: which app and which model a page is of.
  const classes = (each) => plain(each.getAttribute("class") || "").split(/\\s+/)
    .filter((name) => !/^(app|model)-/.test(name)).join(".");
  const states = ["style", "type", "role", "aria-current", "disabled", "hidden", "open"];
  const own = (each) => `${each.localName}#${plain(each.id)}.${classes(each)}` +
    (each.matches("tr:nth-child(even), li:nth-child(even)") ? "~" : "") +
    states.map((name) => plain(each.getAttribute(name) ?? "-")).join("|");
  const form = (each) => {
    if (!forms.has(each)) forms.set(each, `${form(each.parentElement)}>${own(each)}`);
    return forms.get(each);
  };
  const hash = (text) => {
    let [a, b] = [0xdeadbeef, 0x41c6ce57];
    for (let n = 0; n < text.length; n++) {
      a = Math.imul(a ^ text.charCodeAt(n), 2654435761);
      b = Math.imul(b ^ text.charCodeAt(n), 1597334677);
    }
    return (a >>> 0).toString(36) + (b >>> 0).toString(36);
  };
  for (const each of document.querySelectorAll("body, body *")) {
    if (each.matches("script, style, option, svg *")) continue;
    const says = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (says || each.matches("a, button, input, select, textarea, summary, [tabindex]") ||
      each.scrollWidth > each.clientWidth) {
      const key = hash(form(each));
      if (!found.has(key)) found.set(key, each);
    }
  }
  return found;
}"""
# By theme and by width which forms are new, and what is wrong with them.
PARTS = f"""async (sets) => {{
  const forms = ({FORMS})();
  const fresh = sets.map((seen) => {{
    const known = new Set(seen);
    return [...forms.keys()].filter((key) => !known.has(key));
  }});
  const elements = [...new Set(fresh.flat())].map((key) => forms.get(key));
  if (!elements.length) return [fresh, []];
  const asked = {[list(OF_THEMES), list(OF_WIDTHS)]}.filter((_, n) => fresh[n].length).flat();
  const rules = Object.fromEntries(
    axe.getRules().map((each) => [each.ruleId, {{ enabled: asked.includes(each.ruleId) }}]));
  return [fresh, await ({ASK})({{ include: elements }}, rules)];
}}"""
HAS_NEW = f"""(sets) => {{
  const forms = [...({FORMS})().keys()];
  return sets.map((seen) => new Set(seen)).some((seen) => forms.some((key) => !seen.has(key)));
}}"""


class Eyes:
    """What was looked at in each theme and in each width, whoever was signed in."""

    def __init__(self):
        self.seen = {}
        self.script = Axe().axe_script

    def open(self, page):
        """Bring axe into the page."""
        page.evaluate(self.script)

    def whole(self, page):
        """Return what is serious by the rules that know no theme and no width."""
        return page.evaluate(WHOLE)

    def parts(self, page, look):
        """Return what is serious in the theme and width of ``look``, in forms new in either."""
        seen = self._of(look)
        fresh, wrong = page.evaluate(PARTS, seen)
        for known, new in zip(seen, fresh, strict=True):
            known.extend(new)
        return wrong

    def has_new(self, page, look):
        """Whether a form on the page is new in the theme or the width of ``look``."""
        return page.evaluate(HAS_NEW, self._of(look))

    def _of(self, look):
        return [self.seen.setdefault(each, []) for each in look]
