# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports as the programs take them that they are made for: a browser,
graphviz, a parser of XML.  With real numbers and with hostile names."""
import base64
import csv
import hashlib
import html.parser
import io
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import reportkit
import synthetic

GOLDEN = reportkit.TOP / "tests/golden/report"
LARGE_MAX_BYTES = 5 << 20


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def report(doc, fmt, *options):
    with reportkit.Api({"/v1/failover": doc}) as api:
        return reportkit.anycastctl(api, "report", "failover", "--format", fmt, *options)


class Page(html.parser.HTMLParser):
    """Elements, and the text of those that have their own way with text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], {}
        self.inside = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = tag if tag in ("script", "style") else None
        if self.inside:
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside][-1] += data


class TestFormats(unittest.TestCase):
    def test_policy_allows_what_is_in_the_page_and_no_more(self):
        page = Page(report(golden("maps_deep"), "html"))
        policy = next(v for k, v in page.attributes
                      if k == "content" and "default-src" in v)
        script, _ = page.texts["script"]
        for text, source in ((script, "script-src"), (page.texts["style"][0], "style-src")):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            self.assertIn(f"{source} 'sha256-{digest}'", policy)
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        # Nothing that the policy would have to stop.
        self.assertEqual([k for k, _ in page.attributes if k.startswith("on")], [])
        self.assertFalse({"img", "link", "iframe", "object", "embed", "base", "form"}
                         & set(page.tags))
        self.assertFalse({"src", "style", "srcdoc"} & {k for k, _ in page.attributes})

    def test_hostile_names_are_text(self):
        doc = golden("maps_hostile")
        page = Page(report(doc, "html"))
        self.assertFalse({"img", "i"} & set(page.tags))
        data = json.loads(page.texts["script"][1])
        names = {m["site"] for m in doc["maps"]} | {
            h["heir"] for m in doc["maps"] for h in m["heirs"] if h["heir"] is not None}
        for name in ("</script><script>alert(1)</script>", "&lt;b&gt;&#34;", "日本語 \U0001f600"):
            self.assertIn(name, names)
            self.assertIn(name, data["names"])

    def test_svg_is_xml_without_scripts(self):
        for doc in (golden("maps_hostile"), golden("maps_deep"), synthetic.make(40)):
            root = xml.etree.ElementTree.fromstring(report(doc, "svg"))
            tags = {e.tag.rpartition("}")[2] for e in root.iter()}
            self.assertEqual(tags - {"svg", "title", "rect", "text", "tspan", "path"}, set())
            self.assertFalse([a for e in root.iter() for a in e.attrib
                              if a.startswith("on") or "href" in a])

    def test_svg_bands_are_as_wide_as_their_shares(self):
        doc = golden("maps_deep")
        root = xml.etree.ElementTree.fromstring(report(doc, "svg"))
        rects = [e.attrib for e in root.iter() if e.tag.endswith("rect")]
        source = next(r for r in rects if r.get("fill") == "#1b1f23")
        heirs = [h for m in doc["maps"] for h in m["heirs"]]
        widths = sorted(float(r["height"]) for r in rects
                        if r.get("x") not in (None, source["x"]))
        shares = sorted(h["weight_share"] for h in heirs)
        self.assertEqual(len(widths), len(shares))
        for width, share in zip(widths, shares):
            self.assertAlmostEqual(width, max(.6, share * float(source["height"])), delta=.06)

    def test_csv_has_every_heir_of_every_level(self):
        doc = golden("maps_deep")
        rows = list(csv.DictReader(io.StringIO(report(doc, "csv", "--site", "chc"))))
        self.assertEqual({r["depth"] for r in rows}, {"1", "2", "3"})
        deep = [r for r in rows if r["via"] == "akl syd"]
        self.assertEqual([(r["heir"], r["weight_share"]) for r in deep],
                         [("mel", "0.917"), ("", "0.083")])

    @unittest.skipUnless(shutil.which("dot"), "graphviz is not installed")
    def test_graphviz_takes_the_graph(self):
        for doc in (golden("maps_hostile"), golden("maps_deep"), golden("report_site"),
                    {"maps": golden("maps_hostile")["maps"][:1]}):
            graph = report({"maps": doc["maps"]}, "dot")
            done = subprocess.run(["dot", "-Tsvg"], input=graph.encode(), timeout=60,
                                  capture_output=True, check=True)
            root = xml.etree.ElementTree.fromstring(done.stdout)
            texts = {"".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")}
            for one in doc["maps"]:
                for heir in one["heirs"]:
                    name = heir["heir"]
                    if name and name.isascii() and name.isprintable():
                        self.assertIn(name, {t.replace("\xa0", " ") for t in texts})

    def test_a_large_page_is_a_few_megabytes(self):
        self.assertLess(len(report(synthetic.make(300), "html").encode()), LARGE_MAX_BYTES)


BROWSER = reportkit.find_browser()


@unittest.skipUnless(BROWSER, "chromium is not installed")
class TestPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.browser = reportkit.Browser(BROWSER)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    def open(self, doc, fragment=""):
        path = pathlib.Path(self.folder.name) / "page.html"
        path.write_text(report(doc, "html"))
        self.browser.problems.clear()
        self.browser.call("Page.navigate", url="about:blank")
        self.browser.open(path.as_uri() + fragment)

    def tearDown(self):
        self.assertEqual(self.browser.problems, [])

    def texts(self, selector):
        return self.browser.run(f"""[...document.querySelectorAll({json.dumps(selector)})]
            .filter(e => e.checkVisibility()).map(e => e.textContent.trim())""")

    def test_the_worst_site_is_open_with_its_second_level(self):
        self.open(golden("maps_deep"))
        self.assertEqual(self.texts("section.site h2 strong"), ["chc"])
        self.assertEqual(self.texts("figure text.small"), ["if akl fails too"])
        self.assertEqual(self.texts(".below h3"), ["If chc and akl fail"])
        self.assertEqual(self.texts(".below tbody th"), ["syd", "per", "unknown"])

    def test_a_click_opens_levels_below(self):
        self.open(golden("maps_deep"))
        self.browser.click("figure g[aria-label^='akl, then syd:']")
        self.assertEqual(self.texts(".below h3"), ["If chc and akl and syd fail"])
        self.assertEqual(self.texts(".below tbody th"), ["mel", "unknown"])
        self.browser.click("figure g[aria-label^='syd:']")
        self.assertEqual(self.texts(".below h3"), ["If chc and syd fail"])
        self.assertEqual(self.browser.run("location.hash"), "#site=chc&heir=syd")
        self.browser.click("figure g[aria-label^='syd:']")
        self.assertEqual(self.texts(".below h3"), [])

    def test_the_address_opens_what_it_names(self):
        self.open(golden("maps_deep"), "#site=chc&heir=syd")
        self.assertEqual(self.texts(".below h3"), ["If chc and syd fail"])
        self.browser.run("location.hash = '#site=akl'")
        self.browser.wait("document.querySelector('.open h2 strong').textContent === 'akl'")
        self.browser.run("history.back()")
        self.browser.wait("document.querySelector('.open h2 strong').textContent === 'chc'")
        self.assertEqual(self.texts(".below h3"), ["If chc and syd fail"])

    def test_hovering_shows_the_numbers(self):
        self.open(golden("maps_deep"))
        self.browser.point("figure g[aria-label^='akl:']")
        self.browser.wait("!document.getElementById('tip').hidden")
        tip = self.browser.run("document.getElementById('tip').textContent").replace("\xa0", " ")
        for part in ("74.6 % of the weight (95 %: 73.8–75.2)", "17\u202f900 clients",
                     "IPv4 12\u202f000, IPv6 5\u202f900", "weight 35\u202f80",
                     "load 70 % now, 106 % after: too much", "measured",
                     "noise floor 1.2 %", "3m12s old"):
            self.assertIn(part, tip)

    def test_keys_open_and_move(self):
        self.open(golden("maps_deep"))
        self.browser.run("document.querySelector('figure g[aria-label^=\"syd:\"]').focus()")
        self.browser.key("Enter", "\r")
        self.browser.wait("document.querySelector('.below h3').textContent === 'If chc and syd fail'")
        # What was pressed keeps the focus, though the picture is a new one.
        self.assertTrue(self.browser.run(
            "document.activeElement.getAttribute('aria-label').startsWith('syd:')"))
        self.browser.run("document.querySelector('#sites a').focus()")
        self.browser.key("ArrowDown")
        self.browser.wait("document.querySelector('.open h2 strong').textContent === 'akl'")
        self.browser.key("/", "/")
        self.assertEqual(self.browser.run("document.activeElement.tagName"), "INPUT")

    def sites(self):
        return self.texts("#sites tbody th")

    def test_tables_sort_by_any_column(self):
        doc = synthetic.make(12, 5)
        self.open(doc)
        columns = self.texts("#sites thead th")
        self.browser.click("#sites thead button", columns.index("Site"))
        self.assertEqual(self.sites(), sorted(m["site"] for m in doc["maps"]))
        self.browser.click("#sites thead button", columns.index("Site"))
        self.assertEqual(self.sites(), sorted((m["site"] for m in doc["maps"]), reverse=True))
        self.browser.click("#sites thead button", columns.index("Age"))
        by_age = sorted(doc["maps"], key=lambda m: -m["age_ms"])
        self.assertEqual(self.sites(), [m["site"] for m in by_age])
        self.browser.click("#sites thead button", columns.index("Unknown"))
        shown = [float(t.rstrip("\xa0%")) for t in
                 self.texts(f"#sites td:nth-child({columns.index('Unknown') + 1})")]
        self.assertEqual(shown, sorted(shown, reverse=True))
        self.assertEqual(self.browser.run(
            "document.querySelectorAll('#sites [aria-sort]').length"), 1)

    def filter(self, text):
        self.browser.run("document.querySelector('.filter input').value = ''")
        self.browser.run("document.querySelector('.filter input').focus()")
        self.browser.type(text)
        return set(self.sites())

    def test_the_filter_finds_sites_labels_and_heirs(self):
        doc = synthetic.make(60, 6)
        self.open(doc)
        self.assertIn("akl", self.filter("akl"))
        self.assertLess(len(self.sites()), 60)
        self.assertEqual(self.filter("unstable"),
                         {m["site"] for m in doc["maps"] if m["label"] == "unstable"})
        inherits = {m["site"] for m in doc["maps"]
                    if any((h["heir"] or "").startswith("akl") for h in m["heirs"])}
        self.assertEqual(self.filter(">akl"), inherits)
        self.assertEqual(self.filter("nowhere"), set())
        self.browser.key("Escape")
        self.assertEqual(len(self.sites()), 60)

    def test_hostile_names_run_nothing(self):
        self.open(golden("maps_hostile"))
        for i in range(len(golden("maps_hostile")["maps"])):
            self.browser.run(f"document.querySelectorAll('#sites tbody a')[{i}].click()")
            self.browser.wait(f"document.querySelectorAll('#sites tbody tr')[{i}].className === 'pick'")
        self.assertEqual(self.browser.run("document.querySelectorAll('img, iframe, b > b').length"), 0)
        self.assertEqual(self.browser.run("document.scripts.length"), 2)
        # Nor does the policy let anything else run, should there be a way in.
        self.browser.run("""(() => {
            const s = document.createElement("script");
            s.textContent = "window.broken = true";
            document.body.append(s);
        })()""")
        self.assertFalse(self.browser.run("'broken' in window"))
        self.assertTrue(self.browser.problems)
        self.browser.problems.clear()

    def test_dark_and_light_follow_the_system(self):
        colors = []
        for scheme in ("light", "dark"):
            self.browser.call("Emulation.setEmulatedMedia",
                              features=[{"name": "prefers-color-scheme", "value": scheme}])
            self.open(golden("maps_deep"))
            colors.append(self.browser.run(
                "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"))
        self.browser.call("Emulation.setEmulatedMedia", features=[])
        light, dark = ([sum(map(int, re.findall(r"\d+", c)[:3])) for c in pair] for pair in colors)
        self.assertGreater(light[0], light[1])
        self.assertLess(dark[0], dark[1])

    def test_every_text_has_contrast(self):
        """WCAG 2 AA: 4.5 to 1, of what is written on the ground."""
        for scheme in ("light", "dark"):
            self.browser.call("Emulation.setEmulatedMedia",
                              features=[{"name": "prefers-color-scheme", "value": scheme}])
            self.open(golden("maps_deep"))
            worst = self.browser.run("""(() => {
                const level = (color) => {
                    const [r, g, b] = color.match(/[\\d.]+/g).map(Number)
                        .map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                    return .2126 * r + .7152 * g + .0722 * b;
                };
                const ground = level(getComputedStyle(document.body).backgroundColor);
                let worst = 21;
                for (const e of document.querySelectorAll("body *")) {
                    if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
                        continue;
                    const style = getComputedStyle(e);
                    if (e.id === "tip" || e.closest("#tip") || e.tagName === "SCRIPT")
                        continue;
                    const ink = level(e.namespaceURI.endsWith("svg") ? style.fill : style.color);
                    worst = Math.min(worst, (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05));
                }
                return worst;
            })()""")
            self.assertGreaterEqual(worst, 4.5, scheme)
        self.browser.call("Emulation.setEmulatedMedia", features=[])

    def test_without_script_all_tables_are_there(self):
        doc = golden("maps_deep")
        self.browser.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            path = pathlib.Path(self.folder.name) / "page.html"
            path.write_text(report(doc, "html"))
            self.browser.call("Page.navigate", url=path.as_uri() + "?plain")
            self.browser.wait_node("section.site:last-child table.heirs tbody tr")
            shown = self.browser.shown("section.site table.heirs")
        finally:
            self.browser.call("Emulation.setScriptExecutionDisabled", value=False)
        self.assertEqual(shown, len(doc["maps"]))

    def test_300_sites_stay_usable(self):
        doc = synthetic.make(300)
        self.open(doc)
        self.assertEqual(len(self.sites()), 300)
        last = self.browser.run("document.querySelectorAll('#sites tbody a')[299].textContent")
        self.browser.click("#sites tbody a", 299)
        self.browser.wait(f"document.querySelector('.open h2 strong').textContent === {json.dumps(last)}")
        # The overview stays where it is while one goes through it.
        self.browser.run("scrollTo(0, 3000)")
        at = self.browser.run("scrollY")
        self.browser.run("document.querySelectorAll('#sites tbody a')[150].click()")
        self.browser.wait("document.querySelectorAll('#sites tbody tr')[150].className === 'pick'")
        self.assertEqual(self.browser.run("scrollY"), at)
        self.browser.run("document.querySelectorAll('#sites tbody a')[299].click()")
        self.browser.wait(f"document.querySelector('.open h2 strong').textContent === {json.dumps(last)}")
        # One site is shown, and its picture has all of its heirs.
        self.assertEqual(len(self.texts("section.site h2")), 1)
        heirs = next(m for m in doc["maps"] if m["site"] == last)["heirs"]
        self.assertGreaterEqual(self.browser.run("document.querySelectorAll('.open figure g').length"),
                                len(heirs))
        # Bands are as wide as their shares.
        top = max(heirs, key=lambda h: h["weight_share"])
        self.assertAlmostEqual(self.browser.run(
            f"""Number([...document.querySelectorAll('.open figure g')]
                .find((g) => g.getAttribute('aria-label').startsWith({json.dumps(top["heir"] + ":")}))
                .querySelector('.node').getAttribute('height'))"""),
            top["weight_share"] * 220, delta=.1)


if __name__ == "__main__":
    unittest.main()
