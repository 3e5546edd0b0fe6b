"""Pages as their readers have them: the figures by their names, in the text that is shown."""

import html
import re

_CELL = re.compile(r"<(td|th)\b([^>]*)>(.*?)</\1>", re.DOTALL)
_FACT = re.compile(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>(?:\s*<dd class=\"po-note\">(.*?)</dd>)?", re.S)


class Page:
    """What is in the content of a page of the admin; ``facts``: name to (value, note)."""

    def __init__(self, answer):
        assert answer.status_code == 200, answer.status_code
        source = answer.content.decode().partition('<div id="content"')[2]
        self.source = source
        self.text = plain(source)
        self.facts = {plain(n): (plain(v), plain(note)) for n, v, note in _FACT.findall(source)}

    def rows(self, heading):
        """Return the rows of the table that comes after the heading, as {column: text}."""
        after = re.split(rf"<h[23][^>]*>\s*{re.escape(heading)}\b", self.source, maxsplit=1)
        if len(after) == 1:
            return []
        part = re.split(r"<h[23][^>]*>", after[1], maxsplit=1)[0]
        return _table(part)

    def listed(self):
        """Return the rows of a change list, as {field: text}."""
        found = []
        body = self.source.partition('id="result_list"')[2].partition("</table>")[0]
        for row in re.findall(r"<tr>(.*?)</tr>", body.partition("<tbody>")[2], re.DOTALL):
            cells = {}
            for _, attributes, content in _CELL.findall(row):
                name = re.search(r"field-(\w+)", attributes)
                if name:
                    cells[name[1]] = plain(content)
            found.append(cells)
        return found


def _table(source):
    head, _, body = source.partition("<thead>")[2].partition("</thead>")
    columns = [plain(content) for *_, content in _CELL.findall(head)]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body.partition("</table>")[0], re.DOTALL)
    # Two columns may have one name: the first of them counts.
    return [
        dict(reversed(list(zip(columns, (plain(c) for *_, c in _CELL.findall(row)), strict=False))))
        for row in rows
    ]


def plain(source):
    """Return the text of HTML, its spaces single."""
    without = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", source, flags=re.DOTALL)
    return " ".join(html.unescape(without).split())
